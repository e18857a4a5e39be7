"""Laws of settings: who beats whom, where each came from, and how every fault is told."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.cli.keys import Key, keys
from crawler.cli.loading import ConfigError, Loaded, load, unbounded_session
from crawler.cli.toml import write

SECRET = "12345_s3cr3tSessionValue"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, apart from the config's: `here/conf/c.toml`, with a list beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "ids.txt").write_text("1\n")
    return tmp_path


def faults(
    text: str, flags: Mapping[str, str | Sequence[str]] | None = None, environ: Mapping[str, str] | None = None
) -> list[str]:
    """The lines of the ConfigError for a config file `c.toml` in the working folder."""
    Path("c.toml").write_text(text)
    Path("ids.txt").write_text("1\n")
    with pytest.raises(ConfigError) as caught:
        load(Path("c.toml"), flags or {}, environ or {})
    return list(caught.value.lines)


OK = '[source]\npath = "ids.txt"\n'
NUMBER = "must be a number from 0 to 100000, not"

BAD = [
    ("[limits.api]\nrate = 'fast'", f'c.toml:4: limits.api.rate: {NUMBER} "fast"'),
    ("[limits.api]\nrate = -1", f"c.toml:4: limits.api.rate: {NUMBER} -1"),
    ("[limits.api]\nrate = true", f"c.toml:4: limits.api.rate: {NUMBER} true"),
    ("[limits.api]\nrate = nan", f"c.toml:4: limits.api.rate: {NUMBER} nan"),
    ("[limits]\nmemory_mb = inf", "c.toml:4: limits.memory_mb: must be a number, 0 or more, not inf"),
    ("[limits]\nworks = 2.5", "c.toml:4: limits.works: must be a whole number from 1 to 100000, not 2.5"),
    ("[limits]\nworks = 0", "c.toml:4: limits.works: must be a whole number from 1 to 100000, not 0"),
    ("[limits]\nworks = true", "c.toml:4: limits.works: must be a whole number from 1 to 100000, not true"),
    ("[network]\nidle_s = 0", "c.toml:4: network.idle_s: must be a number above 0, at most 3600, not 0"),
    ("[site]\nfallback = 1", "c.toml:4: site.fallback: must be true or false, not 1"),
    (
        "[site]\nquality = 'orignal'",
        'c.toml:4: site.quality: must be one of "original", "regular", "small", "thumb", not "orignal"; '
        'did you mean "original"?',
    ),
    ("[output]\ndir = 1979-05-27", "c.toml:4: output.dir: must be a text in quotes, not 1979-05-27"),
    (
        "[filter]\nkinds = [\n  'illust',\n  'magna',\n]",
        'c.toml:4: filter.kinds: must be a list of any of "illust", "manga", "ugoira", not "magna" (item 2); '
        'did you mean "manga"?',
    ),
    (
        "[filter]\ntags_any = 'a'",
        'c.toml:4: filter.tags_any: must be a list of texts, like ["a", "b"], not "a"',
    ),
    (
        "[source.path]\nx = 1",
        "c.toml:1: source.path: must be a text in quotes or a list of them, like",
    ),
    ("[limit]\nworks = 3", "c.toml:4: limit.works: no such key; did you mean limits.works?"),
    ("[limits]\nrate = 3", "c.toml:4: limits.rate: no such key; did you mean limits.api.rate?"),
    ("[limits.api]\nburts = 3", "c.toml:4: limits.api.burts: no such key; did you mean limits.api.burst?"),
    ("[network]\nproxi = ''", "c.toml:4: network.proxi: no such key; did you mean network.proxy?"),
    ("\n[nonsense]\nxyzzy = 3", "c.toml:5: nonsense.xyzzy: no such key; `crawler init` writes a file with all"),
    ("limits.api.rat = 1", "c.toml:3: source.limits.api.rat: no such key; did you mean limits.api.rate?"),
    ("[limits]\napi = 3", "c.toml:4: limits.api: is a section: write [limits.api] above its keys"),
    ("[[limits]]\nworks = 3", "c.toml:3: limits: is a section: write [limits] above its keys"),
    ("[limits]\napi = {rate = 'x'}", f'c.toml:4: limits.api.rate: {NUMBER} "x"'),
    ("[limits]\n'api'.rate = 'x'", f'c.toml:4: limits.api.rate: {NUMBER} "x"'),
    ("[limits.daily]\ngb = -1", "c.toml:4: limits.daily.gb: must be a number, 0 or more, not -1"),
    ("[cluster]\nworkers = 0", "c.toml:4: cluster.workers: must be a whole number from 1 to 10000, not 0"),
    (
        "[output]\ndir = 's3://'",
        "c.toml:4: output.dir: names no bucket: it must be like s3://bucket/prefix",
    ),
    ("[output]\ndir = ''", "c.toml:4: output.dir: must name a folder"),
    (
        "[network]\nproxy = 'socks5://u:pw@h:1'",
        "c.toml:4: network.proxy: must be http://HOST:PORT (HTTPS goes through it by CONNECT)",
    ),
    (
        '[network]\nallow_private = ["10.0.0.1/8"]',
        'c.toml:4: network.allow_private: must hold networks, like "10.0.0.0/8", not "10.0.0.1/8" (item 1); '
        "did you mean 10.0.0.0/8?",
    ),
    (
        '[network.resolve]\n"a.example" = "127.0.0.1"',
        'c.toml:4: network.resolve.a.example: must be "ip:port", like "127.0.0.1:8443" or "[::1]:8443", '
        'not "127.0.0.1"',
    ),
    (
        '[network]\nresolve = {"https://a.example" = "127.0.0.1:1"}',
        'c.toml:4: network.resolve.https://a.example: must name a host alone, without scheme, port or path, not "https://a',
    ),
    (
        "[network.resolve]\n'a.example' = 3",
        'c.toml:4: network.resolve.a.example: must be a table of texts, like {"www.example.org" = "127.0.0.1:8443"}, '
        'not {"a.example" = 3}',
    ),
    ('[network]\nuser_agent = "a\\r\\nX: y"', "c.toml:4: network.user_agent: must not hold control characters"),
    ("key_column = 'id'", 'c.toml:3: source.key_column: means nothing with source.kind = "ids"'),
    (
        "kind = 'urls'\n[site]\nname = 'pixiv'",
        'c.toml:3: source.kind: does not go with site.name = "pixiv", which takes "ids" or "pairs"',
    ),
    (
        "kind = 'pairs'\n[site]\nname = 'urls'",
        'c.toml:3: source.kind: does not go with site.name = "urls", which takes "urls"',
    ),
    ("[site]\nsession = 'x'", "c.toml:4: site.session: is never taken in a config file, where others can read it"),
    ("[site]\nsession_file = 'none'", "c.toml:4: site.session_file: no such file"),
    ("path = 3", "c.toml:3: not TOML: Cannot overwrite a value"),
    ("x = [1", "c.toml:3: not TOML: Unclosed array"),
    ("x == 1", "c.toml:3: not TOML: Invalid value"),
]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("text", "line"), BAD, ids=[text.replace("\n", " ") for text, _ in BAD])
def test_a_bad_config_is_one_line(text: str, line: str) -> None:
    """Each mistake is one line FILE:LINE: KEY: what is wrong, with the nearest real key where one is near."""
    text = text if text.startswith("[source") else OK + text
    (found,) = faults(text)
    assert found.startswith(line)
    assert found.isprintable()


@pytest.mark.usefixtures("here")
def test_all_faults_are_told_at_once() -> None:
    """Faults of every place come together: the file's by line, then the environment's, then the flags'."""
    text = '[limits]\nworkz = 1\n[site]\nquality = "best"\n[source]\npath = "missing.txt"\n'
    environ = {"CRAWLER_LIMITS__API__RATE": "fast", "CRAWLER_LIMITZ__WORKS": "3"}
    found = faults(text, {"limits.images.rate": "-1", "limits.daily.gb": "-5"}, environ)
    assert [line.partition(": ")[0] for line in found] == [
        "c.toml:2",
        "c.toml:4",
        "c.toml:6",
        "CRAWLER_LIMITS__API__RATE",
        "CRAWLER_LIMITZ__WORKS",
        "--limits.images.rate",
        "--limits.daily.gb",
    ]
    assert found[4] == "CRAWLER_LIMITZ__WORKS: no such setting; did you mean CRAWLER_LIMITS__WORKS?"
    assert found[5] == f"--limits.images.rate: {NUMBER} -1"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"\xef\xbb\xbf[limits]\r\nworkz = 1\r\n", "c.toml:2: limits.workz: no such key; did you mean limits.works?"),
        (b"a = 1\nb = '\xff'\n", "c.toml:2: not UTF-8 text"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "c.toml:1: not a config: nested too deeply"),
        (b"limits.works = " + b"9" * 5000, "c.toml:1: not a config: nested too deeply, or a number too long"),
        (
            b"limits.works = 0x" + b"f" * 5000,
            "c.toml:1: limits.works: must be a whole number from 1 to 100000, not 0xff",
        ),
        (b"limits.api.rate = 1" + b"0" * 400, "c.toml:1: limits.api.rate: must be a number from 0 to 100000, not 10"),
        (b"\n123\n456\n", "c.toml:2: not TOML: "),
        (b"[a]\n" * 2, "c.toml:2: not TOML"),
        (b"\x00", "c.toml:1: not TOML"),
    ],
)
def test_odd_bytes(raw: bytes, line: str) -> None:
    """A byte order mark and CRLF are tolerated; bytes that are no config are a line, never a traceback."""
    Path("c.toml").write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load(Path("c.toml"), {}, {}, source_needed=False)
    (found,) = caught.value.lines
    assert found.startswith(line)
    assert ("--source.path c.toml" in found) == (b"123" in raw)


@pytest.mark.usefixtures("here")
def test_a_config_that_is_not_there() -> None:
    """A missing file says what writes one, and nothing else; a folder is no config."""
    with pytest.raises(ConfigError) as caught:
        load(Path("no.toml"), {}, {})
    assert caught.value.lines == ("no.toml: no such file; `crawler init no.toml` writes one",)
    with pytest.raises(ConfigError, match=r"conf: is a folder"):
        load(Path("conf"), {}, {})


@pytest.mark.usefixtures("here")
def test_a_missing_source_points_at_its_section() -> None:
    """source.path is needed to run: without it, the line of [source], or the first; without a file, the flag."""
    assert faults("\n[source]\nkind = 'ids'\n")[0].startswith("c.toml:2: source.path: missing")
    assert faults("[limits]\n")[0].startswith("c.toml:1: source.path: missing")
    with pytest.raises(ConfigError, match=r"^--source.path: missing"):
        load(None, {}, {})
    assert faults("[source]\npath = 'no.txt'")[0].startswith("c.toml:2: source.path: no such file: /")
    assert faults("[source]\npath = ['ids.txt', '.']")[0].startswith("c.toml:2: source.path: is a folder: /")
    assert load(None, {}, {}, source_needed=False).settings.source.path == ""


# ------------------------------------------------------------------------------ who beats whom

OPEN = {"ui.page_host", "source.kind", "site.name", "source.key_column", "collect.kind"}
"""Keys that may not take just any value by themselves."""
LIVE = {
    "network.proxy": ["", "http://127.0.0.1:1", "http://h.example:8080"],
    "network.allow_private": [(), ("10.0.0.0/8",), ("127.0.0.0/8", "::1/128")],
    "network.resolve": [{}, {"a.example": "127.0.0.1:1"}, {"b.example": "[::1]:2", "c.example": "127.0.0.1:3"}],
    "network.ca_file": [""],
    "site.session_file": [""],
    "source.path": ["", "-", "/a/b", ("/x", "/y z"), "/[q]"],
    "output.dir": ["/a/b", "/data"],
    "output.work_dir": ["/a/c", "/log"],
    "collect.path": ["", "/a/b", ("/x", "/y z")],
    "collect.out": ["/a/b", "/data"],
    "collect.since": ["", "2016-01-02"],
    "collect.until": ["", "2016-01-02", "2020-02-29"],
}


def values(key: Key) -> st.SearchStrategy[Any]:
    """Values that may stand."""
    if key.name in LIVE:
        return st.sampled_from(LIVE[key.name])
    low, high = int(key.low or 0) + key.above, int(min(key.high or 1000, 1000))
    text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=6)
    match key.shape:
        case "flag":
            return st.booleans()
        case "whole":
            return st.integers(low, high)
        case "number":
            return st.integers(low, high) | st.floats(low, high)
        case "choice":
            return st.sampled_from(key.choices)
        case "choices":
            return st.lists(st.sampled_from(key.choices), max_size=3).map(tuple)
        case "texts":
            return st.lists(text, max_size=3).map(tuple)
        case _:
            return text


def as_text(key: Key, value: Any) -> str:
    """The value as one types it behind a flag or into a variable."""
    return value if isinstance(value, str) and key.shape in ("text", "choice", "text_or_texts") else write(value)


def effective(loaded: Loaded, name: str) -> Any:
    """A setting by its dotted name."""
    value: Any = loaded.settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


@pytest.fixture(scope="module")
def law_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for the law, whose many examples share it."""
    return tmp_path_factory.mktemp("laws") / "c.toml"


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_flags_beat_environment_beats_file_beats_defaults(law_file: Path, data: st.DataObject) -> None:
    """Whatever subset of the places sets a key, the strongest of them wins, and `origin` names it."""
    names = data.draw(st.lists(st.sampled_from(sorted(keys().keys() - OPEN)), unique=True, min_size=1, max_size=4))
    text, flags, environ = "", dict[str, str](), dict[str, str]()
    expected: dict[str, tuple[str, str, Any]] = {}
    for name in names:
        key = keys()[name]
        places = data.draw(st.sets(st.sampled_from(["file", "environment", "flag"])))
        expected[name] = ("default", "", key.default)
        if "file" in places:
            value = data.draw(values(key))
            text += f"{name} = {write(value)}\n"
            expected[name] = ("file", f"{law_file}:{text.count(chr(10))}", value)
        if "environment" in places:
            value = data.draw(values(key))
            environ[key.variable] = as_text(key, value)
            expected[name] = ("environment", key.variable, value)
        if "flag" in places:
            value = data.draw(values(key))
            flags[name] = as_text(key, value)
            expected[name] = ("flag", f"--{name}", value)
    law_file.write_text(text)
    loaded = load(law_file, flags, environ, source_needed=False)
    for name, (kind, where, value) in expected.items():
        if name == "source.path" and kind == "default" and loaded.origin[name].where == "collect.out":
            continue  # what is collected is what is to be run
        assert (loaded.origin[name].kind, loaded.origin[name].where) == (kind, where)
        below = os.path.dirname(law_file) if name in ("output.dir", "collect.out") and kind == "default" else ""
        assert effective(loaded, name) == (os.path.join(below, value) if below else value)


@pytest.mark.parametrize("name", sorted(keys().keys() - OPEN - {"site.session_file", "network.ca_file"}))
def test_every_key_is_settable_in_three_places(name: str, here: Path) -> None:
    """Each key of the models is a key of the file, a variable and a flag, and means the same there."""
    key = keys()[name]
    value = {
        "flag": not key.default,
        "whole": int(key.low or 0) + 1,
        "number": 7.5,
        "choice": key.choices[-1:] and key.choices[-1],
        "choices": key.choices[:1],
        "texts": ("10.0.0.0/8",),
        "table": {"a.example": "127.0.0.1:1"},
        "text": LIVE[name][-1] if name in ("network.proxy", "collect.since", "collect.until") else "/abc",
        "text_or_texts": "/abc",
    }[key.shape]
    (here / "c.toml").write_text(f"{name} = {write(value)}")
    text = as_text(key, value)
    for file, flags, environ in (
        (Path("c.toml"), {}, {}),
        (None, {name: text}, {}),
        (None, {}, {key.variable: text}),
        (None, {}, {"CRAWLER_" + name.upper().replace(".", "__"): text}),
    ):
        loaded = load(file, flags, environ, source_needed=False)
        assert effective(loaded, name) == value
        assert loaded.origin[name].kind != "default"
        assert [k for k, o in loaded.origin.items() if o.kind != "default" and not k.startswith(name)] == []


@pytest.mark.usefixtures("here")
def test_what_is_collected_is_what_is_run() -> None:
    """With lists to collect and no source.path, the source is what was collected; before that, run says how."""
    Path("c.toml").write_text('[collect]\npath = "tags.txt"\nout = "mine"\n')
    loaded = load(Path("c.toml"), {}, {}, source_needed=False)
    assert loaded.settings.source.path == str(Path("mine/ids.txt").absolute())
    with pytest.raises(ConfigError, match="run `crawler collect` first"):
        load(Path("c.toml"), {}, {})
    there = load(Path("c.toml"), {"source.path": "c.toml"}, {})
    assert there.settings.source.path == str(Path("c.toml").absolute())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("since = '2016-1-2'", "collect.since: a day as YYYY-MM-DD"),
        ("since = '2017-01-01'\nuntil = '2016-01-01'", 'collect.since: is after collect.until = "2016-01-01"'),
        ("kind = 'users'\nsince = '2017-01-01'", 'collect.since: means nothing with collect.kind = "users"'),
        ("out = ''", "collect.out: must name a folder"),
        ("cap_pages = 0", "collect.cap_pages: must be a whole number"),
        ("kinds = 'tags'", "collect.kinds: no such key; did you mean collect.kind?"),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_cannot_be_collected_is_said(text: str, fault: str) -> None:
    """A bad value of [collect] is an error with its place, before any request."""
    assert fault in faults(OK + "[collect]\n" + text)[0]


@pytest.mark.usefixtures("here")
def test_lists_by_flag_are_repeated_or_toml() -> None:
    """A list is a repeated flag, one text, or TOML; a bracket in a file's name does not make it a list."""

    def path(value: str | list[str]) -> Any:
        return load(None, {"source.path": value}, {}, source_needed=False).settings.source.path

    assert path(["/a", "/b"]) == ("/a", "/b")
    assert path(["/a"]) == "/a"
    assert path('["/a", "/b"]') == ("/a", "/b")
    assert path("/[1]") == "/[1]"
    assert path("[not toml]") == os.path.join(os.getcwd(), "[not toml]")
    tags = load(None, {"filter.tags_any": "女の子"}, {}, source_needed=False).settings.filter.tags_any
    assert tags == ("女の子",)
    assert load(None, {"filter.tags_any": "[]"}, {}, source_needed=False).settings.filter.tags_any == ()
    assert load(None, {"filter.tags_any": ["a", "[]"]}, {}, source_needed=False).settings.filter.tags_any == ("a", "[]")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("limits.works", "2.0"),
        ("limits.works", "two"),
        ("limits.works", ""),
        ("limits.works", "９"),
        ("limits.api.rate", "nan"),
        ("limits.api.rate", "1_0"),
        ("site.fallback", "yes"),
        ("filter.kinds", "illust,manga"),
        ("network.resolve", "a=b"),
        ("filter.tags_any", "[1, 2]"),
    ],
)
def test_texts_that_stand_for_no_value(key: str, text: str) -> None:
    """A text that is no value of its key's kind is refused, by flag and by variable alike."""
    for flags, environ, label in (
        ({key: text}, {}, f"--{key}"),
        ({}, {keys()[key].variable: text}, keys()[key].variable),
    ):
        with pytest.raises(ConfigError) as caught:
            load(None, flags, environ, source_needed=False)
        assert caught.value.lines[0].startswith(f"{label}: must be ")


@pytest.mark.usefixtures("here")
def test_entries_of_a_table_win_one_by_one() -> None:
    """A flag for one host adds to, or replaces in, the file's table; a whole table by flag replaces the file's."""
    Path("c.toml").write_text('[network.resolve]\n"A.example" = "127.0.0.1:1"\nb.example.org = "127.0.0.1:2"\n')
    loaded = load(Path("c.toml"), {"network.resolve.a.example": "127.0.0.1:9"}, {}, source_needed=False)
    assert loaded.settings.network.resolve == {"a.example": "127.0.0.1:9", "b.example.org": "127.0.0.1:2"}
    assert loaded.origin["network.resolve.a.example"].where == "--network.resolve.a.example"
    assert loaded.origin["network.resolve.b.example.org"].where == "c.toml:3"
    loaded = load(Path("c.toml"), {"network.resolve": '{"c.example" = "[::1]:3"}'}, {}, source_needed=False)
    assert loaded.settings.network.resolve == {"c.example": "[::1]:3"}
    assert "network.resolve.a.example" not in loaded.origin


# ------------------------------------------------------------------------------ paths


def test_paths_stand_where_they_are_written(here: Path) -> None:
    """A file's paths are relative to its folder, also when it is named from elsewhere; others to where we stand."""
    conf = here / "conf"
    (conf / "c.toml").write_text('[source]\npath = ["ids.txt", "-", "/abs"]\n[output]\ndir = "../out"\n')
    loaded = load(Path("conf/c.toml"), {}, {}, source_needed=False)
    assert loaded.settings.source.path == (str(conf / "ids.txt"), "-", "/abs")
    assert loaded.settings.output.dir == str(here / "out")
    loaded = load(Path("conf/c.toml"), {"output.dir": "o"}, {"CRAWLER_SOURCE__PATH": "x.txt"}, source_needed=False)
    assert (loaded.settings.source.path, loaded.settings.output.dir) == (str(here / "x.txt"), str(here / "o"))


def test_a_default_written_down_changes_nothing(here: Path) -> None:
    """output.dir by default lies where `dir = "data"` in the file would put it; without a file, where we stand."""
    (here / "conf" / "c.toml").write_text("")
    assert load(Path("conf/c.toml"), {}, {}, source_needed=False).settings.output.dir == str(here / "conf" / "data")
    assert load(None, {}, {}, source_needed=False).settings.output.dir == str(here / "data")


# ------------------------------------------------------------------------------ kind and site


@pytest.mark.parametrize(
    ("flags", "kind", "name"),
    [
        ({}, "ids", "pixiv"),
        ({"source.kind": "urls"}, "urls", "urls"),
        ({"site.name": "urls"}, "urls", "urls"),
        ({"source.kind": "pairs"}, "pairs", "pixiv"),
        ({"site.name": "pixiv"}, "ids", "pixiv"),
        ({"source.kind": "urls", "site.name": "urls"}, "urls", "urls"),
    ],
)
def test_the_site_follows_the_kind_and_the_other_way_round(flags: dict[str, str], kind: str, name: str) -> None:
    """Where only one of source.kind and site.name is set, the other one follows."""
    loaded = load(None, flags, {}, source_needed=False)
    assert (loaded.settings.source.kind, loaded.settings.site.name) == (kind, name)


@pytest.mark.usefixtures("here")
def test_the_whole_example_of_the_design_loads() -> None:
    """Every section that the design names is known."""
    Path("c.toml").write_text('[collect]\nkind = "tags"\npath = "t.txt"\nuntil = ""\n[cluster]\nworkers = 1\n')
    assert load(Path("c.toml"), {}, {}, source_needed=False).settings.collect.path.endswith("t.txt")
    assert faults(OK + "[collect]\nkinds = 'tags'\n")[0].startswith("c.toml:4: collect.kinds: no such key")


# ------------------------------------------------------------------------------ the session


def secret_file(path: Path, content: str | bytes, mode: int = 0o600) -> str:
    """A session file."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return str(path)


def test_the_session_comes_from_a_private_file_or_the_environment(here: Path) -> None:
    """Only a file of mode 0600 or the variable holds it; blanks around it go; it is in `Loaded.session` alone."""
    path = secret_file(here / "s", f"  {SECRET}\n")
    variable = {"CRAWLER_SITE__SESSION": f"{SECRET}\n"}
    for flags, environ in (
        ({"site.session_file": path}, {}),
        ({}, {"CRAWLER_SITE__SESSION_FILE": path}),
        ({}, variable),
        ({"site.session_file": path}, {"CRAWLER_SITE__SESSION": "other"}),
        ({}, variable | {"CRAWLER_SITE__SESSION_FILE": "/no/such/file"}),
    ):
        loaded = load(None, flags, environ, source_needed=False)
        assert loaded.session == SECRET
        assert loaded.session_origin.kind != "default"
        for shown in (repr(loaded), str(loaded.settings), loaded.settings.model_dump_json(), repr(loaded.origin)):
            assert SECRET not in shown
        assert "50 GB" in unbounded_session(loaded)
    assert load(None, {}, {}, source_needed=False).session == ""
    assert unbounded_session(load(None, {}, {}, source_needed=False)) == ""


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (SECRET, 0o640, "mode 0640"),
        (SECRET, 0o604, "mode 0604"),
        (SECRET, 0o660, "chmod 600"),
        ("", 0o600, "empty"),
        (" \n", 0o600, "empty"),
        (f"{SECRET}; a=b", 0o600, "a character that no cookie can"),
        (f"{SECRET}\nsecond", 0o600, "a character that no cookie can"),
        (f"{SECRET}\x00", 0o600, "a character that no cookie can"),
        (f"{SECRET} é", 0o600, "a character that no cookie can"),
        (SECRET.encode() + b"\xff", 0o600, "a character that no cookie can"),
        (f"PHPSESSID={SECRET}", 0o600, "holds `PHPSESSID=` too"),
        (SECRET * 300, 0o600, "longer than 4096 bytes"),
    ],
)
def test_bad_sessions(content: str | bytes, mode: int, why: str, here: Path) -> None:
    """A session that cannot be used is an error that says why and shows neither the value nor the path."""
    path = secret_file(here / "named-by-mistake", content, mode)
    for flags, environ in (({"site.session_file": path}, {}), ({}, {"CRAWLER_SITE__SESSION_FILE": path})):
        with pytest.raises(ConfigError) as caught:
            load(None, flags, environ, source_needed=False)
        (line,) = caught.value.lines
        assert why in line
        assert SECRET not in line
        assert "named-by-mistake" not in line
    if mode == 0o600 and isinstance(content, str) and len(content) < 4096:
        with pytest.raises(ConfigError, match=r"^CRAWLER_SITE__SESSION: ") as caught:
            load(None, {}, {"CRAWLER_SITE__SESSION": content}, source_needed=False)
        assert why in caught.value.lines[0]
        assert SECRET not in caught.value.lines[0]


@pytest.mark.usefixtures("here")
def test_a_session_in_the_wrong_place_is_not_repeated() -> None:
    """In a config file, as a flag, as a file's name, or under a mistyped variable: refused, and never shown."""
    os.mkfifo("pipe", 0o600)
    cases: list[tuple[str, dict[str, str], dict[str, str]]] = [
        (f"site.session = '{SECRET}'", {}, {}),
        (f"[site]\nsession_file = '{SECRET}'", {}, {}),
        ("", {"site.session": SECRET}, {}),
        ("", {"site.session_file": SECRET}, {}),
        ("", {"site.session_file": "pipe"}, {}),
        ("", {}, {"CRAWLER_SITE_SESSION": SECRET}),
        ("", {}, {"CRAWLER_SESSION": SECRET}),
        (f"[site]\nsesion = '{SECRET}'", {}, {}),
        (f"site.session = '{SECRET}", {}, {}),
    ]
    for text, flags, environ in cases:
        lines = faults(text, {"source.path": "-"} | flags, environ)
        assert len(lines) == 1
        assert SECRET not in lines[0]


@pytest.mark.usefixtures("here")
def test_our_other_variables_are_no_mistakes() -> None:
    """CRAWLER_DEBUG and CRAWLER_FAILPOINT are not settings; variables of others are not looked at."""
    environ = {"CRAWLER_DEBUG": "1", "CRAWLER_FAILPOINT": "x", "SCRAWLER_X": "1", "HOME": "/"}
    assert load(None, {}, environ, source_needed=False).settings.limits.works == 32


@pytest.mark.usefixtures("here")
def test_a_certificate_must_be_one() -> None:
    """network.ca_file must be there and hold a certificate."""
    assert faults(OK + "[network]\nca_file = 'no.pem'")[0].startswith("c.toml:4: network.ca_file: no such file: ")
    Path("bad.pem").write_text("x")
    assert faults(OK + "[network]\nca_file = 'bad.pem'")[0].startswith("c.toml:4: network.ca_file: holds no certif")
