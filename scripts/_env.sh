# Sourced by the scripts beside it: `crawler_env FILE` makes .venv hold exactly what FILE pins, and puts it on PATH.
# Needs Python 3.11 or newer and a package registry; touches nothing outside the checkout.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

crawler_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3 python; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return 0
    fi
  done
  echo "scripts: Python 3.11 or newer is needed (set PYTHON=/path/to/python to choose one)" >&2
  return 2
}

crawler_env() {
  local requirements=$1 env="$root/.venv" python stamp
  python=$(crawler_python) || return 2
  stamp=$(cat "$root/$requirements" "$root/pyproject.toml" | cksum | cut -d' ' -f1)
  if [ "$(cat "$env/.stamp-$requirements" 2>/dev/null)" != "$stamp" ]; then
    echo "Setting up .venv (once) ..." >&2
    [ -x "$env/bin/python" ] || "$python" -m venv "$env" || return 2
    "$env/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$root/$requirements" || return 2
    "$env/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --editable "$root" || return 2
    echo "$stamp" >"$env/.stamp-$requirements"
  fi
  PATH="$env/bin:$PATH"
}
