"""Pictures made for the screen are kept: within bounds, for later runs too, and nobody else's in their place."""

from pathlib import Path

from crawler.pairs.shelf import Shelf

JPEG = b"\xff\xd8\xff"


def test_the_shelf_keeps_what_was_looked_at_last(tmp_path: Path) -> None:
    """What is put can be got, by a later process too; beyond the bound the one not seen for longest goes."""
    shelf = Shelf(tmp_path, most_bytes=3000)
    for name in "abc":
        shelf.put(name, JPEG + name.encode() * 900)
    assert shelf.get("a") == JPEG + b"a" * 900
    shelf.put("d", JPEG + b"d" * 900)
    assert [shelf.has(name) for name in "abcd"] == [True, False, True, True]
    again = Shelf(tmp_path, most_bytes=3000)
    assert again.get("d") == JPEG + b"d" * 900
    assert again.get("b") is None
    assert sum(path.stat().st_size for path in (tmp_path / ".crawl" / "views").iterdir()) <= 3000


def test_the_shelf_shows_no_strangers_file(tmp_path: Path) -> None:
    """What was put in its place by somebody else is not shown: another kind of file, a link, a folder of links."""
    shelf = Shelf(tmp_path)
    for name in ("kind", "link"):
        shelf.put(name, JPEG + b"x")
    (tmp_path / "secret.jpg").write_bytes(JPEG + b"secret")
    kind, link = sorted((tmp_path / ".crawl" / "views").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    kind.write_bytes(b"<html>")
    link.unlink()
    link.symlink_to(tmp_path / "secret.jpg")
    assert [Shelf(tmp_path).get(name) for name in ("kind", "link")] == [None, None]
    other = tmp_path / "other"
    (other / ".crawl").mkdir(parents=True)
    (other / ".crawl" / "views").symlink_to(tmp_path)
    planted = Shelf(other)
    planted.put("x", JPEG)
    assert planted.get("x") is None
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".jpg"] == ["secret.jpg"]
