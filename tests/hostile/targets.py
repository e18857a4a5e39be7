# ruff: noqa: PT017, PT018, E501 - a target is called by a fuzzer, its asserts say which law was broken
"""What is fuzzed: each target takes any bytes, and raises only if a law is broken. SEEDS says what to begin with."""

import asyncio
import gzip
import io
import json
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson
import uvloop
from protego import Protego
from targets_kept import KEPT

sys.path.append(str(Path(__file__).parent.parent / "fetch"))

from fetch_kit import Want, door

from crawler.cli.loading import ConfigError, load
from crawler.events import Described, Gone, Opened, Stored
from crawler.fetch.exchange import Had
from crawler.fetch.lane_transfer import Transfer
from crawler.fetch.robots import spelt_rules
from crawler.fetch.where import parse_url
from crawler.log.codec import decode, encode, rescue, seal, skim
from crawler.log.reader import LogDamaged, scan
from crawler.model import Absent, Description, Failure, Image
from crawler.pairs.cards import Side, card
from crawler.pairs.judgements import VERDICTS, Judged, Judgements, Noted, Pair, Undone, line_of
from crawler.pairs.judgements import read as read_judgement
from crawler.pairs.listing import from_candidates
from crawler.pairs.queue import Deal
from crawler.rules.media import Inspector, Media, inspect
from crawler.rules.naming import EXTENSIONS, image_path
from crawler.rules.replay import State
from crawler.rules.retry import parse_retry_after
from crawler.rules.settings import RetrySettings
from crawler.rules.windows import Cursor
from crawler.sites.pixiv import Pixiv, work_of
from crawler.sites.pixiv_listing import ListPage, bookmarks, description_of, search, works_of
from crawler.sites.settings import SiteSettings
from crawler.sources.ids import Problem, parse_id
from crawler.sources.lines import SourceError
from crawler.sources.links import read_links
from crawler.sources.reader import read_entries
from crawler.sources.settings import SourceSettings
from crawler.stop import Blocked
from crawler.within import leads_out
from crawler.words import clean

SITE = Pixiv(SiteSettings(), "77_x", lambda _: None)
URL = "https://i.pximg.net/img-original/img/2024/05/06/07/08/09/9_p0.png"
WORK = {
    "id": "9", "illustId": "9", "title": "t", "illustTitle": "t", "illustType": 0, "pageCount": 1, "xRestrict": 0,
    "userId": "7", "userName": "n", "width": 9, "height": 9, "urls": {"original": URL, "regular": URL},
    "createDate": "2024-05-05T22:08:00+00:00", "uploadDate": "2024-05-05T22:08:00+00:00", "tags": {"tags": []},
    "bookmarkCount": 1, "likeCount": 1, "viewCount": 1, "description": "d", "sl": 2, "restrict": 0, "aiType": 0,
}  # fmt: skip
STORED = Stored(9, 0, "images/009/9_p0.png", 10, "0" * 64, "image/png", 9, 9, "original", URL)
EVENTS = (
    Opened("ab", 1, "0", {"path": "x", "digest": "d", "ids": 1}, "s"),
    Described(9, (Image(0, URL),), WORK),
    STORED,
    Gone(9, "filtered", "max_x_restrict"),
)


def one_line(text: str) -> bool:
    """Whether a text is one harmless line. U+3000, the space of Japanese text, is; Python calls it unprintable."""
    return text.replace("\u3000", " ").isprintable()


def replies(data: bytes) -> None:
    """Any body, as the first and the second answer, with any status: a value, and what is described is of the site."""
    status = (200, 404, 403, 400, 500)[len(data) % 5] if len(data) % 3 == 0 else 200
    said = SITE.describe(9).read(status, "application/json", data)
    for body in (data, b'{"error":false,"body":[{"urls":{"original":"%b"}}]}' % URL.encode()):
        if not isinstance(said, Description | Absent | Failure):
            said = said.read(status, "application/json", body)
    if isinstance(said, Description):
        line = encode("ab", 1, "2026-01-02T03:04:05.678Z", Described(9, said.images, said.metadata))
        assert decode(line) is not None
        assert work_of(said.metadata).id == 9
        for image in said.images:
            assert image.url.startswith("https://") and image.url.split("/")[2].endswith((".pximg.net", ".pixiv.net"))


def codec(data: bytes) -> None:
    """Any bytes are one intact line, or none; what is read is written again as a line that says the same."""
    line = decode(data)
    skimmed = skim(data.removesuffix(b"\n"))
    assert (line is None) == (skimmed is None) or b"\n" in data
    if line is not None and line.event is not None:
        again = decode(encode(line.log, line.seq, line.t, line.event))
        assert again is not None
        assert again.event == line.event
    for piece in rescue(data):
        assert decode(piece) is not None


def replay(data: bytes) -> None:
    """A log of any objects with right checksums is folded, or is damage; it never ends in a bug."""
    lines: list[bytes] = []
    for number, raw in enumerate(data.split(b"\n"), 1):
        try:
            fields = orjson.loads(raw)
        except ValueError:
            continue
        if isinstance(fields, dict):
            lines.append(seal({"seq": number, "t": "2026-01-02T03:04:05.678Z", "log": "ab"} | fields))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        path.write_bytes(b"".join(lines) + data[:100])
        state = State()
        try:
            for _, line in scan(path):
                state.apply(line)
        except LogDamaged:
            return
        totals = state.totals()
        assert totals.listed >= 0 and totals.pending >= 0


def naming(data: bytes) -> None:
    """Ids, pages and extensions made of anything: a path below images/, or a ValueError."""
    text = data.decode("utf-8", "surrogateescape")
    key, _, rest = text.partition("|")
    page, _, ext = rest.partition("|")
    for id in (key, int(key[:18]) if re.fullmatch(r"-?[0-9]{1,18}", key[:18]) else 1):
        for number in ("zip", 0, len(page)):
            try:
                path = image_path(id, number, ext)
            except ValueError:
                continue
            assert not leads_out(path) and re.fullmatch(r"images/[0-9]{3}/[A-Za-z0-9_.-]+", path), path
            assert path.rpartition(".")[2] in EXTENSIONS


def sources(data: bytes) -> None:
    """Any file is read as a list of each kind: entries and problems that print as one line."""
    for kind, name in (("ids", "a.txt"), ("ids", "a.csv"), ("pairs", "a.csv"), ("urls", "a.txt"), ("manifest", "m")):
        try:
            for _, entry in read_entries(io.BytesIO(data), name, SourceSettings(kind=kind)):
                assert not isinstance(entry, Problem) or one_line(str(entry))
        except SourceError as error:
            assert one_line(str(error))
    found = parse_id(data.decode("utf-8", "replace"))
    assert isinstance(found, Problem) or found > 0


class _Wire:
    """A wire of no connection, on which these lines came."""

    def __init__(self, lines: list[bytes]) -> None:
        self.lines, self.pieces = lines, list[bytes]()


class _Lane:
    """A lane of no connection."""

    class loop:
        time = staticmethod(lambda: 0.0)


def heads(data: bytes) -> None:
    """Any lines as the head of a reply: complete, not yet, or a failure; names are lower case."""
    transfer = Transfer(_Lane(), _Wire(data.splitlines(keepends=True)), 0.0)  # type: ignore[arg-type]
    if transfer.take_head():
        assert 200 <= transfer.status <= 999
        assert all(name == name.lower() for name in transfer.headers)
        after = transfer.headers.get("retry-after")
        seconds = parse_retry_after(after, transfer.headers.get("date"))
        assert seconds is None or seconds >= 0
        where = transfer.headers.get("location", "")
        urls(where.encode("utf-8", "surrogateescape"))


def urls(data: bytes) -> None:
    """Any text as a link or a hop: http or https with a host and no user, or a ValueError."""
    text = data.decode("utf-8", "replace")
    for base in (None, parse_url("https://a.test/x")):
        try:
            url = parse_url(text, base)
        except ValueError:
            continue
        assert url.scheme in ("http", "https") and url.raw_host and not url.user
        assert re.fullmatch(r"[\x21-\x7e]+", str(url))


def robots(data: bytes) -> None:
    """Any robots.txt is read, and the quick look agrees with the parser: what it lets pass is allowed."""
    text = data.decode("utf-8-sig", "replace")
    rules, spelt = Protego.parse(text), spelt_rules(text)
    for path in ("/", "/ajax/illust/9", "/private/x.png", "/a"):
        if not any(path.startswith(start) for start in spelt):
            assert rules.can_fetch(f"https://a.test{path}", "crawler")


def links(data: bytes) -> None:
    """Any description: links in its text's order, each an id in range."""
    reading = read_links(data.decode("utf-8", "replace"))
    assert all(link.id > 0 for link in reading.links)


def config(data: bytes) -> None:
    """Any file as a config: settings, or complaints of one printable line each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.toml"
        path.write_bytes(data)
        try:
            load(path, {}, {}, source_needed=False)
        except ConfigError as error:
            assert all(map(one_line, error.lines)), error.lines


def media(data: bytes) -> None:
    """Any bytes, whole and in pieces: one verdict; an archive that is taken is what zipfile can list, with safe names."""
    whole, parts = Inspector(), Inspector()
    whole.feed(data)
    for at in range(0, len(data), 7):
        parts.feed(data[at : at + 7])
    verdict = whole.finish()
    assert type(verdict) is type(parts.finish())
    assert verdict == inspect(data)
    if isinstance(verdict, Media) and verdict.ext == "zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert not any(leads_out(name) or "\\" in name for name in archive.namelist())
            assert sum(info.file_size for info in archive.infolist()) <= 20 * len(data)


def words(data: bytes) -> None:
    """What any text becomes on a terminal is one printable line."""
    for text in (data.decode("utf-8", "replace"), data.decode("latin-1"), data.decode("utf-16-le", "surrogatepass" if len(data) % 2 == 0 else "replace")):  # fmt: skip
        assert one_line(clean(text))


def listing(data: bytes) -> None:
    """Any body as a page of each kind of list: works in range with a day or none, or a value."""
    at = Cursor()
    asked = (search(SITE, "t", exact=True, mode="all", cursor=at), bookmarks(SITE, 7, at), works_of(SITE, 7))
    for ask in (*asked, description_of(SITE, 9, lambda text: [link.id for link in read_links(text).links])):
        page = ask.read(200, "application/json", data)
        if isinstance(page, ListPage):
            assert page.items >= 0 and page.total >= 0
            assert all(row.id > 0 and re.fullmatch(r"|[0-9]{4}-[0-9]{2}-[0-9]{2}", row.day) for row in page.rows)


def judgements(data: bytes) -> None:
    """Lines of anything with right checksums, in any order, add up to judgements, or are passed over."""
    found = Judgements()
    for number, raw in enumerate(data.split(b"\n"), 1):
        try:
            fields = orjson.loads(raw)
        except ValueError:
            continue
        if isinstance(fields, dict):
            noted = read_judgement(seal({"seq": number, "t": "2026-01-02T03:04:05.678Z", "log": "ab"} | fields))
            if noted is not None:
                found.apply(noted)
    found.latest(5), list(found.twice())
    for said in found.standing():
        assert said.verdict in VERDICTS and said.pair.colored >= 0 and said.pair.sketch >= 0


def candidates(data: bytes) -> None:
    """Any file of candidates: pairs of works with scores, or a ValueError that names the line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candidates.jsonl"
        path.write_bytes(data)
        try:
            listed = from_candidates(path)
        except ValueError as error:
            assert str(error).startswith(f"{path}:")
            return
        assert listed.digest
        for pair, hint in listed.pairs.items():
            assert pair.colored > 0 and pair.sketch > 0 and hint.score is not None and 0 <= hint.score <= 1
            assert card(Deal(pair), hint, (Side(0, None, ()), Side(0, None, ())))


def wire(data: bytes) -> None:
    """Any bytes of a server, then its end: to both ways out a reply, or a Failure; of the body no more than came."""

    async def serve(transport: str) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        network = {
            "resolve": {"a.test": place},
            "transport": transport,
            "max_redirects": 0,
            "connect_s": 2,
            "idle_s": 2,
        }
        async with (
            server,
            door({**network, "max_body_mb": 0.01}, retry=RetrySettings(attempts=1, base_s=0.01)) as there,
        ):
            want = Want("http://a.test/", "api")
            got = await there.get(want)
        assert isinstance(got, Had | Failure) and len(want.body) <= 10_000
        assert isinstance(got, Failure) or (200 <= want.heads[0].status < 300)

    for transport, loop in (("auto", uvloop.new_event_loop), ("aiohttp", asyncio.new_event_loop)):
        with asyncio.Runner(loop_factory=loop) as runner, suppress(Blocked):  # a 429 that says wait for ever
            runner.run(asyncio.wait_for(serve(transport), 30))


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number:06d}.jpg", b"\xff\xd8" + b"x" * 40)
    return out.getvalue()


_REPLY = json.dumps({"error": False, "message": "", "body": WORK}).encode()
_LINES = [encode("ab", seq, "2026-01-02T03:04:05.678Z", event) for seq, event in enumerate(EVENTS, 1)]
_HEAD = b"HTTP/1.1 302 X\r\nLocation: //b.test/x\r\nRetry-After: 3\r\nDate: Mon, 02 Jan 2026 03:04:05 GMT\r\n\r\n"
_TOML = b'[source]\npath = "x"\n[network]\nresolve = { "a.test" = "127.0.0.1:80" }\n[limits.api]\nrate = 0.5\n'

_CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nabcde\r\n0\r\nx-t: 1\r\n\r\n"
_PACKED = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + gzip.compress(b'{"a":1}', mtime=0)
_ROW = {"id": "9", "createDate": "2024-05-06T07:08:09+09:00", "userId": "7", "xRestrict": 0, "isMasked": False}
_SEARCH = json.dumps(
    {"error": False, "body": {"illustManga": {"data": [_ROW, {"isAdContainer": True}], "total": 2}}}
).encode()
_BOOKMARKS = json.dumps({"error": False, "body": {"works": [_ROW, _ROW | {"isMasked": True}], "total": 2}}).encode()
_SAID = (
    Judged(Pair(9, 8), "yes", (0, 1), key="abcdef-1"),
    Judged(Pair(9, 8), "no", again=True),
    Undone("ab", 1, "abcdef-2"),
)
_JUDGED = [line_of(Noted("2026-01-02T03:04:05.678Z", "ab", seq, said)) for seq, said in enumerate(_SAID, 1)]
_CANDIDATE = (
    b'{"colored":9,"sketch":8,"score":0.5,"match":{"colored_page":0,"sketch_page":1,"score":0.5,"flip":false,'
    b'"place":[0,0,1,1]},"evidence":{"tags":["t"],"link":"illust/8","form":"illust","words":"w","dates":["2024-01-01",'
    b'"2024-01-02"],"pages":[1,1],"same_author":false,"older":true}}\n'
)

TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "replies": (replies, [_REPLY, _REPLY.replace(b'"pageCount": 1', b'"pageCount": 2'), b'{"error":true,"body":[]}']),
    "codec": (codec, [*_LINES, b"".join(_LINES)]),
    "replay": (replay, [b"".join(_LINES), *_LINES]),
    "naming": (naming, [b"9|0|png", b"key.1|0|jpg", b"../x|zip|zip"]),
    "sources": (
        sources,
        [
            b"9\n# c\nhttps://www.pixiv.net/artworks/9\n",
            b'id,url\n9,"https://a.test/x"\n',
            b'{"id":9,"page":0,"sha256":"00"}\n',
        ],
    ),
    "heads": (heads, [_HEAD, b"HTTP/1.1 100 Continue\r\n\r\n" + _HEAD]),
    "urls": (urls, [b"http://a.test:80/x?y#z", b"//[::1]/", b"http://u:p@a.test/"]),
    "robots": (robots, [b"User-agent: *\nDisallow: /private/\nAllow: /a*$\nCrawl-delay: 3\n"]),
    "links": (links, [b'<a href="/jump.php?https%3A%2F%2Fwww.pixiv.net%2Fartworks%2F9">x</a> illust/9 user/7']),
    "config": (config, [_TOML]),
    "media": (media, [_zip(), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 30, b"\xff\xd8\xff\xe0\0\x10JFIF", b"GIF89a"]),
    "listing": (listing, [_SEARCH, _BOOKMARKS, b'{"error":false,"body":{"illusts":{"9":null},"manga":[]}}']),
    "judgements": (judgements, [b"".join(_JUDGED), *_JUDGED]),
    "candidates": (candidates, [_CANDIDATE]),
    "wire": (wire, [_HEAD, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", _CHUNKED, _PACKED]),
    **KEPT,
    "words": (words, ["\x1b[31mtitle\u202e\u200d\ufe0f".encode(), b"\x9b2J"]),
}
