"""A line of the log: what is written is what is read, and what was touched is not read at all."""

import json
import random
import zlib
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.events import (
    Closed,
    Described,
    Event,
    Failed,
    Gone,
    Line,
    Listed,
    Opened,
    Spent,
    Stored,
    Throttled,
    Voided,
)
from crawler.log.codec import Glimpse, decode, encode, rescue, skim
from crawler.model import Image
from crawler.rules.naming import EXTENSIONS, image_path

LOG = "0123456789ab"
T = "2026-01-02T03:04:05.678Z"
words = st.text(max_size=20)
keys = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", fullmatch=True) | st.from_regex(
    r"[0-9a-f]{16}", fullmatch=True
)
ids = st.integers(0, 2**63 - 1) | keys
pages = st.integers(0, 300) | st.just("zip")
sizes = st.none() | st.integers(0, 10**5)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
images = st.one_of(
    st.builds(Image, pages, words, st.none() | st.text(min_size=1, max_size=5), st.none(), st.none()),
    st.builds(Image, pages, words, st.none(), st.integers(0, 9), sizes),
)
few = st.integers(0, 2**40)


def placed(stored: Stored) -> st.SearchStrategy[Stored]:
    """The same with a path that naming gives."""
    exts = st.just("zip") if stored.page == "zip" else st.sampled_from(sorted(EXTENSIONS - {"zip"}))
    return exts.map(lambda ext: stored._replace(path=image_path(stored.id, stored.page, ext)))


an_event: st.SearchStrategy[Event] = st.one_of(
    st.builds(Opened, st.just(LOG), st.just(1), words, st.dictionaries(words, plain, max_size=3), words),
    st.builds(Listed, words, words),
    st.builds(Described, ids, st.lists(images, max_size=3).map(tuple), st.dictionaries(words, plain, max_size=3)),
    st.builds(
        lambda image, *rest: Stored(*image, *rest),
        st.tuples(st.integers(0, 2**63 - 1), pages) | st.tuples(keys, st.just(0)),
        *(st.just(""), st.integers(0, 2**40), words, words, sizes, sizes, words, words),
    ).flatmap(placed),
    st.builds(Gone, ids, words, words),
    st.builds(Failed, ids, st.none() | pages, words, sizes, st.integers(0, 9), st.booleans(), words),
    st.builds(Voided, words, st.integers(1, 10**9), words, st.none() | ids),
    st.builds(Throttled, words, st.floats(0, 1e6), st.none() | st.just(T), words),
    st.builds(Spent, words, words, few, few, few, few, st.none() | st.just(T)),
    st.builds(Closed, words, st.dictionaries(words, plain, max_size=3)),
)


@settings(deadline=None, max_examples=300)
@given(an_event, st.integers(1, 2**62))
def test_what_is_written_is_read(event: Event, seq: int) -> None:
    """Any event comes back as it was, from one line, with or without its newline."""
    raw = encode(LOG, seq, T, event)
    assert raw.count(b"\n") == 1
    assert decode(raw) == decode(raw[:-1]) == Line(LOG, seq, T, event)


@settings(deadline=None, max_examples=100)
@given(an_event)
def test_a_line_is_one_object_with_its_keys_in_order(event: Event) -> None:
    """seq, t, event, log come first, the checksum last, over every byte before it; no key is there twice."""
    raw = encode(LOG, 7, T, event)
    pairs: list[list[str]] = []
    fields = json.loads(raw, object_pairs_hook=lambda p: (pairs.append([k for k, _ in p]), dict(p))[1])
    keys = pairs[-1]
    assert keys[:4] == ["seq", "t", "event", "log"]
    assert keys[-1] == "crc"
    assert len(set(keys)) == len(keys)
    body = raw[: raw.rindex(b',"crc":')]
    assert fields["crc"] == f"{zlib.crc32(body):08x}"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("\ud800", "\ufffd"),
        ("a\udfffb", "a\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"),
        (2**64, str(2**64)),
        (-(2**63) - 1, str(-(2**63) - 1)),
        ([10**5000], ["…"]),
        (float("nan"), None),
        (float("inf"), None),
        ({3: {"\ud800": (1, 2)}}, {"3": {"\ufffd": [1, 2]}}),
        ("a\nb\r\0\u2028", "a\nb\r\0\u2028"),
        ('","crc":"00000000"}\n{"seq":1', '","crc":"00000000"}\n{"seq":1'),
    ],
)
def test_no_site_string_keeps_a_line_from_being_written(value: Any, read: Any) -> None:
    """Lone surrogates, huge numbers, control characters and forged framing: there is a line, and it is one line."""
    raw = encode(LOG, 1, T, Described(5, (Image(0, "u"),), {"x": value}))
    assert raw.count(b"\n") == 1
    line = decode(raw)
    assert line is not None
    assert line.event == Described(5, (Image(0, "u"),), {"x": read})


def test_nesting_without_end_is_cut_off() -> None:
    """A reply nested deeper than the encoder goes still gives a line."""
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    line = decode(encode(LOG, 1, T, Described(5, (), {"x": deep, "y": "kept"})))
    assert line is not None
    assert isinstance(line.event, Described)
    assert line.event.work["y"] == "kept"


@settings(deadline=None, max_examples=300)
@given(an_event, st.integers(1, 2**62))
def test_a_skimmed_line_says_the_same(event: Event, seq: int) -> None:
    """What is read of a line in haste is what is read with care; of other bytes nothing is."""
    raw = encode(LOG, seq, T, event)[:-1]
    line, seen = decode(raw), skim(raw)
    assert line is not None
    if isinstance(event, Described):
        assert seen == Glimpse(LOG, seq, T, event.id, event.images)
    elif isinstance(event, Stored):
        assert seen == Glimpse(LOG, seq, T, event.id, None, event.page, event.bytes, event.quality)
    else:
        assert seen == line
    assert skim(raw[:-1]) is skim(raw + b" ") is skim(b"") is None


@settings(deadline=None, max_examples=60)
@given(an_event, st.integers(0, 2**32))
def test_a_touched_line_is_no_line(event: Event, seed: int) -> None:
    """A line with any bits flipped, bytes cut off, put in or doubled is not read."""
    raw = encode(LOG, 3, T, event)[:-1]
    dice = random.Random(seed)
    for _ in range(40):
        bad = bytearray(raw)
        match dice.randrange(4):
            case 0:
                bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
            case 1:
                del bad[dice.randrange(len(bad)) :]
            case 2:
                bad[dice.randrange(len(bad)) : 0] = dice.randbytes(1 + dice.randrange(9))
            case _:
                del bad[: 1 + dice.randrange(len(bad))]
        if bytes(bad) != raw:
            assert decode(bytes(bad)) is skim(bytes(bad)) is None
    assert decode(raw + b"\n\n") is decode(raw + raw) is decode(b" " + raw) is decode(raw + b" ") is None


def signed(body: bytes) -> bytes:
    return b'%b,"crc":"%08x"}\n' % (body, zlib.crc32(body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"seq":1',
        b'{"seq":1,"t":"x","event":"gone","id":1,"reason":"purged"',
        b'{"seq":0,"t":"x","event":"gone","log":"a","id":1,"reason":"purged"',
        b'{"seq":true,"t":"x","event":"gone","log":"a","id":1,"reason":"purged"',
        b'{"seq":1.0,"t":"x","event":"gone","log":"a","id":1,"reason":"purged"',
        b'{"seq":1,"t":5,"event":"gone","log":"a","id":1,"reason":"purged"',
        b'{"seq":1,"t":"x","event":"gone","log":"a","reason":"purged"',
        b'{"seq":1,"t":"x","event":["gone"],"log":"a"',
        b'{"seq":1,"t":"x","event":"described","log":"a","id":1,"images":["u"],"work":{}',
        b'{"seq":1,"t":"x","event":"later","log":"a","x":NaN',
        b'{"seq":1,"t":"x","event":"later","log":"a"}\n{"seq":2',
        b'{"seq":1,"t":"x","event":"later",\n"log":"a"',
        b'{"seq":1,"t":"\xff","event":"later","log":"a"',
    ],
)
def test_a_right_checksum_is_not_enough(body: bytes) -> None:
    """Bytes that are no object, lack the envelope or a key of their event are not a line, whatever their checksum."""
    assert decode(signed(body)) is None
    assert skim(signed(body)[:-1]) is None


def test_a_line_of_a_later_version_is_intact() -> None:
    """An event that this version does not know is a line without an event; unknown keys are passed over."""
    assert decode(signed(b'{"seq":1,"t":"x","event":"later","log":"a","x":[1]')) == Line("a", 1, "x", None)
    line = decode(signed(b'{"seq":1,"t":"x","event":"gone","log":"a","id":1,"reason":"purged","new":1'))
    assert line == Line("a", 1, "x", Gone(1, "purged"))


def test_orjson_reads_what_we_write() -> None:
    """The line stays one JSON object for any reader."""
    assert orjson.loads(encode(LOG, 1, T, Gone(1, "filtered", "ai")))["rule"] == "ai"


@pytest.mark.parametrize(
    "body",
    [
        b'{"seq":1,"t":"x","event":"described","log":"a","work":{"x":1},"id":5,"images":[]',
        b'{"seq":1,"t":"x","event":"described","log":"a","id":5,"images":[],"new":2,"work":{"x":1}',
        b'{"seq":1,"t":"x","event":"described","log":"a","id":5,"images":[{"page":0,"url":"u","work":{"y":1}}],"work":{}',
        b'{"seq":1,"t":"x","event":"described" ,"log":"a","id":5,"images":[],"work":{"x":1}',
        b'{"seq":1,"t":"\\"event\\":\\"stored\\"","event":"gone","log":"a","id":5,"reason":"x"',
        b'{"seq":1,"t":"x","event":"stored","log":"a","id":5,"page":0,"path":"images/005/5_p0.png","bytes":1,"sha256":"s","mime":"m",'
        b'"width":1,"height":1,"quality":"q","url":"u","new":1',
    ],
)
def test_a_line_that_looks_otherwise_is_read_in_full(body: bytes) -> None:
    """Keys in another order, more keys, blanks: whatever another program wrote is decoded, not skimmed."""
    raw = signed(body)[:-1]
    line = skim(raw)
    assert line == decode(raw) is not None
    assert not isinstance(line, Glimpse)


@settings(deadline=None, max_examples=60)
@given(st.lists(an_event, min_size=1, max_size=4), st.binary(max_size=9))
def test_lines_that_ran_together_are_told_apart(events: list[Event], between: bytes) -> None:
    """Intact lines are found among any bytes that are none."""
    lines = [encode(LOG, n, T, event)[:-1] for n, event in enumerate(events, 1)]
    assert rescue(between + between.join(lines) + between) == lines
    assert rescue(b"".join(line[:-1] for line in lines)) == []
