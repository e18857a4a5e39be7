"""The only door to Ray: started for this run or joined, quiet, with a token; named actors that outlive their caller."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import ipaddress
import logging
import math
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from crawler.errors import ConfigError

HERE = "127.0.0.2"
"""The address of a Ray of our own. Ray takes 127.0.0.1 for a slip and looks for the machine's outer address instead."""
STORE_BYTES = 80 << 20
"""Of the object store, which nothing is put into: the least that Ray allows is a little less."""
SLICE = 0.1
"""CPUs that a worker holds in Ray's books: a node that died must not leave the others without room for its workers."""

ANSWER_S = 60.0

_PREFIX = "crawler-ray-"
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else a warning about GPUs that no worker has
}
_CALM = {
    "RAY_event_stats": "0",
    "RAY_enable_timeline": "0",
    "RAY_task_events_report_interval_ms": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_memory_monitor_refresh_ms": "1000",
    "RAY_kill_idle_workers_interval_ms": "2000",
    "RAY_raylet_check_gc_period_milliseconds": "10000",
}
"""What Ray keeps for its dashboard, of which a Ray of our own has none, and looks for more often than it matters here:
each is a timer in one or in all of its processes."""
_UNASKED = ("start_log_monitor", "start_monitor")
"""Helpers of `_private.node.Node` that a Ray of our own does without: one reads every log ten times a second, for a
driver that wants none of them, one would order machines."""
_OPEN = """
import os, sys
os.environ["RAY_AUTH_MODE"] = "disabled"
from ray._raylet import GcsClient
try:
    GcsClient(address=sys.argv[1]).internal_kv_keys(b"", namespace=None)
except Exception:
    sys.exit(1)
"""
"""Exit code 0 when a cluster lets in who has no token."""


class Unjoined(ConfigError):
    """Ray was not started, or not joined; the text says why and what to do."""

    def __init__(self, text: str) -> None:
        super().__init__([text])


class Node(NamedTuple):
    """A living node of the cluster."""

    id: str
    address: str


def missing() -> str:
    """What is wrong when Ray is not installed; "" when it is."""
    if importlib.util.find_spec("ray") is None:
        return "needs Ray: pip install 'crawler[ray]'"
    return ""


class Spot(NamedTuple):
    """The node (its id) for an actor; `elsewhere`: when that dies, or has no room, another will do."""

    node: str
    elsewhere: bool


@contextlib.contextmanager
def own(workers: int) -> Generator[None]:
    """A Ray of our own with room for so many workers, on the loopback, as long as the block lasts.

    Its processes die with this one, however it dies (PR_SET_PDEATHSIG; two helpers look for themselves and follow
    within minutes). Call it in the main thread. Raises Unjoined.
    """
    _sweep()
    home = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_short()))
    token = home / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    ours = {
        **_QUIET,
        **_CALM,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_worker_niceness": "0",  # else 15: coordinator and budget would answer late on a busy machine
        "TMPDIR": str(home),  # what a killed worker leaves goes with the rest
        "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
    }
    try:
        with _environment(ours, without=("RAY_ADDRESS", "RAY_AUTH_TOKEN")), _few():
            _init(
                address="local",
                _node_ip_address=HERE,
                _temp_dir=str(home),
                num_cpus=max(os.cpu_count() or 1, math.ceil(SLICE * workers) + 1),
                object_store_memory=STORE_BYTES,
                include_dashboard=False,
            )
            yield
    except Unjoined as error:
        raise Unjoined(
            f"cluster.workers: {error}. This run ends here, and nothing is lost: run the same command again, with "
            "fewer workers if this machine is short of memory"
        ) from None
    finally:
        _leave()
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def joined(address: str) -> Generator[None]:
    """Part of the running cluster at HOST:PORT, as long as the block lasts. Raises Unjoined.

    A cluster that others can reach runs what anybody tells it to unless it asks for a token: it is joined only so.
    """
    host = _host(address)
    near = _is_loopback(host)
    if not near and os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        raise Unjoined(
            f"--ray {address}: whoever reaches a Ray cluster can run anything on it, so one that is not on the "
            "loopback must ask for a token: set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH (a file of mode 0600) for "
            "`ray start` on each node and for this command; see docs/cluster.md"
        )
    with _environment(_QUIET):
        if not near and _lets_anybody_in(address):
            raise Unjoined(
                f"--ray {address}: this cluster asks nobody for a token: start each of its nodes with "
                "RAY_AUTH_MODE=token; see docs/cluster.md"
            )
        try:
            _init(address=address, **({"_node_ip_address": host} if near else {}))
        except Unjoined as error:
            raise Unjoined(
                f"--ray {address}: {error}. Does it run there, is this machine one of its nodes, and do RAY_AUTH_MODE "
                "and RAY_AUTH_TOKEN_PATH say here what they say there?"
            ) from None
        try:
            yield
        finally:
            _leave()


def nodes() -> tuple[Node, ...]:
    """The living nodes, in the order of their addresses. Raises RuntimeError."""
    found = [Node(str(one["NodeID"]), str(one["NodeManagerAddress"])) for one in _ray().nodes() if one["Alive"]]
    return tuple(sorted(found, key=lambda node: node.address))


def hire(name: str, namespace: str, kind: type, *arguments: object, at: Spot | None = None) -> Any:
    """The actor of this name, made if there is none: begun again by Ray when it dies, until `end` is said.

    `at`: where it is to live; None: beside Ray's own books, on the head. Methods that the kind names in `THREADS` run
    in so many threads each; then nothing runs in the main one, and all other methods in one. Waits for Ray.
    """
    options: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "lifetime": "detached",
        "get_if_exists": True,
        "max_restarts": -1,
        "max_task_retries": -1,
        "enable_task_events": False,  # else each message is told to the head, for a dashboard
    }
    if at is None:
        options |= {"num_cpus": 0, "resources": {"node:__internal_head__": 0.001}}
    else:
        strategies = importlib.import_module("ray.util.scheduling_strategies")
        # A node that is full is no reason to wait for it where another, perhaps one that comes later, has room.
        strategy = strategies.NodeAffinitySchedulingStrategy(
            at.node, soft=at.elsewhere, _spill_on_unavailable=at.elsewhere
        )
        options |= {"num_cpus": SLICE, "scheduling_strategy": strategy}
    return _taken(kind).options(**options).remote(*arguments)


def find(name: str, namespace: str) -> Any:
    """The actor of this name, or None. Waits for Ray: call it in a thread. Raises what `Troubles` names."""
    try:
        return _ray().get_actor(name, namespace)
    except ValueError:
        return None


def names(namespace: str) -> tuple[str, ...]:
    """The named actors of a namespace. Waits for Ray."""
    listed: list[dict[str, str]] = importlib.import_module("ray.util").list_named_actors(all_namespaces=True)
    return tuple(sorted(one["name"] for one in listed if one["namespace"] == namespace))


def end(name: str, namespace: str) -> None:
    """End an actor for good. Waits for Ray."""
    actor = find(name, namespace)
    if actor is not None:
        _ray().kill(actor, no_restart=True)


def answer(called: Any) -> Any:
    """What a call to an actor gives, waited for. Raises Unjoined when nothing comes."""
    try:
        return _ray().get(called, timeout=ANSWER_S)
    except trouble() as error:
        if (raised := cause(error)) is not None:
            raise raised from None
        raise Unjoined(f"Ray: no answer from the head in {ANSWER_S:.0f} s ({type(error).__name__})") from None


def trouble() -> type[Exception]:
    """What a call to an actor raises."""
    return importlib.import_module("ray.exceptions").RayError


def cause(error: Exception) -> Exception | None:
    """What the called actor itself raised; None when the cluster is at fault."""
    if isinstance(error, importlib.import_module("ray.exceptions").RayTaskError):
        return getattr(error, "cause", None) or RuntimeError(str(error))
    return None


def reborn() -> bool:
    """Whether the actor that asks was begun again by Ray."""
    return bool(_ray().get_runtime_context().was_current_actor_reconstructed)


def whereabouts() -> str:
    """The address of the node this process is on."""
    return str(importlib.import_module("ray.util").get_node_ip_address())


# ------------------------------------------------------------------------------------------- inside


def _ray() -> Any:
    return importlib.import_module("ray")


def _taken(kind: type) -> Any:
    """The class as Ray takes it."""
    ray, threads = _ray(), dict[str, int](getattr(kind, "THREADS", {}))
    for name in threads:
        ray.method(concurrency_group=name)(getattr(kind, name))
    return ray.remote(concurrency_groups=threads)(kind) if threads else ray.remote(kind)


def _init(**options: Any) -> None:
    _hush()
    try:
        with _silence():
            _ray().init(log_to_driver=False, logging_level="ERROR", configure_logging=False, **options)
    except Exception as error:  # Ray raises whatever it likes here
        if isinstance(error, (AssertionError, TypeError)):
            raise
        raise Unjoined(f"Ray says: {_sentence(error)}") from None


def _hush() -> None:
    """What Ray would say on the terminal, in the middle of the display, is in its own logs too."""
    log = logging.getLogger("ray")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    worker: Any = importlib.import_module("ray._private.worker")
    # Remarks of the raylet are printed to stdout, and no option stops that: results belong there. It is no part of
    # Ray's promises, so where it is gone it is left alone; a test kills a worker and listens.
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = _say_nothing


@contextlib.contextmanager
def _silence() -> Generator[None]:
    """Until Ray has its own logs its C++ parts warn on stderr, once a second while they wait for an answer."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _few() -> Generator[None]:
    """Ray begins without its helpers of _UNASKED. No option says so; where they are gone, or named anew, nothing is
    changed."""
    node: Any = importlib.import_module("ray._private.node").Node
    before = {name: getattr(node, name) for name in _UNASKED if hasattr(node, name)}
    for name in before:
        setattr(node, name, _say_nothing)
    try:
        yield
    finally:
        for name, helper in before.items():
            setattr(node, name, helper)


def _say_nothing(*_: object, **__: object) -> None:
    return


def _leave() -> None:
    if "ray" in sys.modules:
        _ray().shutdown()


def _sentence(error: Exception) -> str:
    """Ray's own words run over many lines, and the first ones say it."""
    return " ".join(str(error).strip().partition("\n\n")[0].split()) or type(error).__name__


def _host(address: str) -> str:
    if address.startswith("ray://"):
        raise Unjoined(f"--ray {address}: a client of Ray can't be the driver: run this on a node, and name HOST:PORT")
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or not host:
        raise Unjoined(f"--ray {address}: must be HOST:PORT, as `ray start --head` tells it")
    if host in ("localhost", "127.0.0.1", "::1", "[::1]"):
        raise Unjoined(
            f"--ray {address}: Ray never takes this for an address: start it with --node-ip-address 127.0.0.2 and say "
            f"--ray 127.0.0.2:{port}, or name the machine's outer address"
        )
    return host.strip("[]")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _lets_anybody_in(address: str) -> bool:
    """Ask as somebody without a token would."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH_")}
    words = [sys.executable, "-c", _OPEN, address]
    try:
        asked = subprocess.run(words, env=variables, capture_output=True, check=False, timeout=ANSWER_S)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise Unjoined(
            f"--ray {address}: no answer in {ANSWER_S:.0f} s: is it Ray's head that listens there?"
        ) from None
    return asked.returncode == 0


@contextlib.contextmanager
def _environment(values: Mapping[str, str], without: tuple[str, ...] = ()) -> Generator[None]:
    """Ray reads these when it is loaded, and its processes inherit them."""
    before = {name: os.environ.get(name) for name in (*values, *without)}
    os.environ.update(values)
    for name in without:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _short() -> str:
    """Where sockets of Ray may lie: their paths are long, and a socket's may have 107 bytes."""
    return folder if len(folder := tempfile.gettempdir()) < 16 else "/tmp"  # noqa: S108 - mkdtemp makes it private


def _sweep() -> None:
    """Remove what a Ray of our own left that was killed."""
    for folder in Path(_short()).glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)
