"""The review's server: who may ask, what is served, and that what was confirmed is on the disk."""

import socket
import stat
import time
from pathlib import Path

import pytest
from judge import command, lines
from review_kit import Run, Served, served

from crawler.events import Stored
from crawler.log.codec import encode
from crawler.pairs.judgements import Pair
from crawler.rules.naming import image_path
from crawler.within import opened

TAB = "testtab1"


def deal(server: Served, want: int = 5, held: object = None, tab: str = TAB) -> dict[str, object]:
    reply = server.ask("/deal", {"tab": tab, "want": want, "held": held})
    assert reply.status == 200, reply.body
    return reply.json


def judge(server: Served, log: object, pair: object, verdict: str, key: str) -> int:
    op = {"op": "judge", "key": key, "pair": pair, "verdict": verdict, "pages": [0, 0], "again": False}
    return server.ask("/say", {"log": log, "ops": [op]}).status


def test_nobody_without_the_token_and_no_other_page(run: Run) -> None:
    """Without the token nothing is served, not even on loopback; with it, writing takes a page of this address, and a
    name that some site made to resolve to this machine is refused."""
    with served(run.folder) as server:
        for path in ("/", "/review.js", "/events?tab=aaaaaaaa", "/image/1/0", "/nothing"):
            assert server.ask(path, headers={"Authorization": ""}).status == 401, path
        assert server.ask("/deal", {"tab": TAB}, {"Authorization": ""}).status == 401
        assert server.ask("/", headers={"Host": "evil.example"}).status == 403
        port = server.base.rpartition(":")[2]
        assert server.ask("/", headers={"Host": f"localhost:{port}", "Origin": ""}).status == 200
        for bad in ("http://evil.example", "null", f"http://localhost:{port}", f"https://127.0.0.1:{port}"):
            assert server.ask("/deal", {"tab": TAB}, {"Origin": bad}).status == 403, bad
        assert server.ask("/deal", {"tab": TAB}, {"Content-Type": "text/plain"}).status == 403
        assert server.ask("/deal", {"tab": TAB}, {"Sec-Fetch-Site": "cross-site"}).status == 403
        assert server.ask("/deal", {"tab": TAB}).status == 200
        page = server.ask("/")
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "Access-Control-Allow-Origin" not in page.headers
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        token = run.folder / ".crawl" / "page-token"
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        assert token.read_text().strip() == server.token


ODD = [None, True, -1, 2**70, 1e999, "", "x", [], [[]], {}, {"a": 1}, [1], [1, 2, 3], "9" * 5000]


def test_nothing_that_is_asked_is_a_bug(run: Run) -> None:
    """With the token and from its own page: whatever stands where the page puts something else is refused, or
    means no other pair. No answer lets another origin read it."""
    with served(run.folder) as server:
        log, hand = deal(server)["log"], deal(server)["hand"]
        pair = hand[0][:2]  # type: ignore[index]
        judging = {"op": "judge", "key": "testtab1-1", "pair": pair, "verdict": "yes", "pages": [0, 0], "again": False}
        undoing = {"op": "undo", "key": "testtab1-2", "of": "x"}
        bodies: list[tuple[str, object]] = [("/deal", odd) for odd in ODD] + [("/say", odd) for odd in ODD]
        asked = {"tab": TAB, "want": 2, "held": None, "order": "likely", "show": "todo"}
        bodies += [("/deal", asked | {key: odd}) for key in asked for odd in ODD]
        bodies += [("/say", {"log": log, "ops": odd}) for odd in ODD] + [
            ("/say", {"log": odd, "ops": []}) for odd in ODD
        ]
        bodies += [("/say", {"log": log, "ops": [odd]}) for odd in ODD]
        bodies += [("/say", {"log": log, "ops": [undoing | {key: odd}]}) for key in undoing for odd in ODD]
        bodies += [
            ("/say", {"log": log, "ops": [judging | {key: odd}]})
            for key in ("op", "key", "pair", "verdict", "pages")
            for odd in ODD
        ]
        for path, body in bodies:
            reply = server.ask(path, body)
            assert reply.status in (200, 400, 405, 409), (path, body, reply.status, reply.body)
            assert not [name for name in reply.headers if name.lower().startswith("access-control")]
        assert set(run.verdicts()) <= {Pair(*pair)}  # [1, 2, 3] are two pages, and some more


def test_images_of_the_log_and_nothing_else(run: Run) -> None:
    """An image comes by id and page with its own bytes; no other path leads to any file."""
    stored = next(line for line in lines(run.folder) if line["event"] == "stored" and line["mime"] == "image/png")
    with served(run.folder) as server:
        original = server.ask(f"/original/{stored['id']}/{stored['page']}")
        assert original.body == (run.folder / stored["path"]).read_bytes()
        assert original.headers["Content-Type"] == "image/png"
        assert server.ask(f"/image/{stored['id']}/{stored['page']}").body == original.body  # small enough
        assert server.ask(f"/thumb/{stored['id']}/{stored['page']}").body[:3] == b"\xff\xd8\xff"
        for path in (
            "/log.jsonl", "/images/", f"/{stored['path']}", "/original/../log.jsonl", "/original/%2e%2e/log.jsonl",
            "/image/1/0", f"/image/{stored['id']}/999", "/static/review.js", "/pairs/judgements.jsonl", "//etc/passwd",
        ):  # fmt: skip
            assert server.ask(path).status == 404, path


def test_a_path_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """A log can be anybody's: absolute paths, `..`, symbolic links at any place, and what is no file."""
    (tmp_path / "run" / "images").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "run" / "images" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "run" / "out").symlink_to(tmp_path)
    (tmp_path / "run" / "images" / "fine.png").write_bytes(b"fine")
    for path in ("../secret.png", str(tmp_path / "secret.png"), "images/link.png", "out/secret.png", "images", "", "."):
        with pytest.raises(OSError, match=r"."):
            opened(tmp_path / "run", path)
    with open(opened(tmp_path / "run", "images/fine.png"), "rb") as file:
        assert file.read() == b"fine"


def test_large_pictures_are_made_to_fit(run: Run) -> None:
    """A picture of many pixels comes smaller and whole, as a JPEG; the original is there all the same."""
    from PIL import Image

    stored = next(line for line in lines(run.folder) if line["event"] == "stored")
    id, name = stored["id"], image_path(stored["id"], 77, "png")
    Image.new("RGB", (3000, 2000), "red").save(run.folder / name)
    old = (run.folder / "log.jsonl").read_bytes()
    size = (run.folder / name).stat().st_size
    extra = Stored(id, 77, name, size, "7" * 64, "image/png", 3000, 2000, "original", "u")
    (run.folder / "log.jsonl").unlink()  # the copy shares its bytes with the run of all tests
    (run.folder / "log.jsonl").write_bytes(old + encode("b" * 12, 1, "2099-01-01T00:00:00.000Z", extra))
    with served(run.folder) as server:
        fit = server.ask(f"/image/{id}/77")
        assert fit.headers["Content-Type"] == "image/jpeg"
        (run.folder / "fit.jpg").write_bytes(fit.body)
        with Image.open(run.folder / "fit.jpg") as image:
            assert image.size == (1600, 1067)
        assert len(server.ask(f"/original/{id}/77").body) == size


def test_confirmed_is_durable_and_counts_once(run: Run) -> None:
    """Killed right after each answer, every confirmed judgement is there; sent again under its key it changes
    nothing; what is for another folder, or of no listed pair, is refused."""
    with served(run.folder) as server:
        said: dict[Pair, str] = {}
        for n in range(4):
            told = deal(server)
            pair, verdict = told["cards"][0]["pair"], ("yes", "no", "unsure", "yes")[n]  # type: ignore[index]
            assert judge(server, told["log"], pair, verdict, f"{TAB}-{n}") == 200
            server.kill()
            said[Pair(*pair)] = verdict
            assert run.verdicts() == said
            server.start()
            assert judge(server, told["log"], pair, verdict, f"{TAB}-{n}") == 200
            assert len(run.judgements.read_bytes().splitlines()) == n + 1
        told = deal(server)
        assert judge(server, "another log", told["hand"][0][:2], "yes", f"{TAB}-90") == 409  # type: ignore[index]
        assert judge(server, told["log"], [1, 2], "yes", f"{TAB}-91") == 400
        assert judge(server, told["log"], told["hand"][0][:2], "perhaps", f"{TAB}-92") == 400  # type: ignore[index]
        assert judge(server, told["log"], told["hand"][0][:2], "yes", "../x") == 400  # type: ignore[index]
        assert run.verdicts() == said
        undo = {"op": "undo", "key": f"{TAB}-95", "of": f"{TAB}-3"}
        for _ in range(2):
            assert server.ask("/say", {"log": told["log"], "ops": [undo]}).status == 200
        assert len(run.verdicts()) == 3
        assert deal(server, 1)["hand"][0][:2] == list(pair)  # type: ignore[index]


def test_two_tabs_hold_different_pairs(run: Run) -> None:
    """No pair is dealt to two; what a closed tab held is dealt again when nothing else is left."""
    with served(run.folder) as server:
        mine, other = (deal(server, 20, tab=tab)["hand"] for tab in ("tabnumber1", "tabnumber2"))
        assert not {tuple(one) for one in mine} & {tuple(one) for one in other}  # type: ignore[union-attr]


def test_mistakes_are_told_before_anything_is_served(run: Run, tmp_path: Path) -> None:
    """No folder, no candidates, a port in use, a second review: exit 2 and a sentence."""
    assert command("pairs", "review", tmp_path / "nowhere").code == 2
    bucket = command("pairs", "review", "s3://bucket/prefix")
    assert bucket.code == 2
    assert "--candidates FILE, as `crawler pairs find s3://bucket/prefix --out FILE` wrote it" in bucket.err
    empty = command("pairs", "review", run.folder, "--candidates", tmp_path / "none.jsonl")
    assert (empty.code, "pairs find" in empty.err) == (2, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = command("pairs", "review", run.folder, "--port", str(taken.getsockname()[1]))
        assert (ended.code, "--port takes another" in ended.err) == (2, True)
    with served(run.folder):
        ended = command("pairs", "review", run.folder, "--port", "0")
        assert (ended.code, "another review" in ended.err) == (2, True)
    assert command("pairs", "review", run.folder, "--prot", "1").err.count("did you mean --port")


def test_a_list_that_claims_to_be_right_is_searched_for_what_is_wrong(run: Run, tmp_path: Path) -> None:
    """A csv in the seed's format: the matcher looks at its pairs meanwhile, and the wrong ones come to the top; a
    random sample of it is judged beside, and what was found is known to the next review at once."""
    pytest.importorskip("numpy")
    right = sorted(run.true)[:6]
    wrong = [Pair(a.colored, b.sketch) for a, b in zip(right[:2], right[4:], strict=True)]
    (tmp_path / "pairs.csv").write_text("".join(f"{p.colored},{p.sketch}\n" for p in sorted([*right, *wrong])))
    arguments = ("--csv", str(tmp_path / "pairs.csv"), "--candidates", str(tmp_path / "none.jsonl"), "--again", "0")
    with served(run.folder, *arguments) as server:
        for _ in range(300):
            told = deal(server, 1)
            if told["progress"]["scored"] == 8:  # type: ignore[index]
                break
            time.sleep(0.1)
        hand = [Pair(a, b) for a, b, _ in deal(server, 4, [])["hand"]]  # type: ignore[union-attr]
        assert len(set(hand) & set(wrong)) >= 1
        assert judge(server, told["log"], hand[0], "no", f"{TAB}-1") == 200
        assert deal(server)["progress"]["list"]["sample"] <= 1  # type: ignore[index]
    with served(run.folder, *arguments) as server:
        cards = deal(server)["cards"]
        assert cards
    assert (tmp_path / "judgements.jsonl").exists()
