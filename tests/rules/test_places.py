"""Which path is an image's place, which page a page, and which of a snapshot's pages are none."""

import hashlib

import pytest

from crawler.events import Described, Event, Failed, Line, Stored
from crawler.model import Image, Page, WorkId
from crawler.rules.frozen import Frozen, pack, unpack
from crawler.rules.naming import EXTENSIONS, FOLDERS, image_path, is_page, is_place
from crawler.rules.replay import State
from crawler.rules.unfinished import Facts, Lost

PAGES = (0, 1, 7, "zip", -1)
IDS = (0, 1, 5, 999, 1000, 123456789, "00000000000003e7", "a key.no", "key-1", "a.b", "k" * 100, "k" * 101, "", ".a")


@pytest.mark.parametrize("id", IDS)
def test_the_only_place_of_an_image_is_its_path(id: WorkId) -> None:
    """Of every id, page and extension: the path that it is given is its place, and nobody else's is."""
    places: dict[tuple[Page, str], str] = {}
    for page in PAGES:
        for ext in (*sorted(EXTENSIONS), "exe", ""):
            try:
                places[page, ext] = image_path(id, page, ext)  # type: ignore[arg-type]
            except ValueError:
                stem = image_path(id, 0, "png").rpartition(".")[0] if is_named(id) else f"images/000/{id}"
                assert not is_place(f"{stem}.{ext}", id, page)  # type: ignore[arg-type]
    assert bool(places) is is_named(id)
    for (page, _), path in places.items():
        for other in PAGES:
            assert is_place(path, id, other) is (other == page)  # type: ignore[arg-type]
        assert not is_place(path + "x", id, page)
        assert not is_place("x" + path, id, page)
        assert not is_place(path, 6, page)
        assert not is_place(path, "other", page)


def is_named(id: WorkId) -> bool:
    return isinstance(id, int) or id in ("00000000000003e7", "key-1", "a.b", "k" * 100)


def test_a_key_that_names_no_file_has_no_place() -> None:
    """Even where a path looks like one that it would have."""
    for key in ("a/b", "../a", "a b", ".a", "", "k" * 101):
        number = int(hashlib.sha256(key.encode()).hexdigest()[:16], 16) % 1000
        assert not is_place(f"images/{number:03d}/{key}.png", key, 0)
    number = int(hashlib.sha256(b"a.b").hexdigest()[:16], 16) % 1000
    assert is_place(f"images/{number:03d}/a.b.png", "a.b", 0)
    for ext in ("zip", "exe", "b", ""):
        assert not is_place(f"images/{number:03d}/a.b.{ext}", "a.b", 0)
    assert not is_place(f"images/{number:03d}/a.b.png", "a.b", 1)


def test_a_thousand_folders() -> None:
    """From 000 to 999."""
    assert len(FOLDERS) == 1000
    assert (FOLDERS[0], FOLDERS[-1]) == ("images/000/", "images/999/")


def test_pages() -> None:
    """Numbers from 0 on, and "zip"; no truth value, no other text, nothing else."""
    assert all(is_page(page) for page in (0, 1, 10**6, "zip"))
    assert not any(is_page(page) for page in (-1, True, False, "", "0", "zipx", "../x", 0.0, None, [], b"zip"))


@pytest.mark.parametrize("page", ["../x", -1, "0", True, 0.5, ""])
def test_a_snapshot_with_a_page_that_no_image_has_is_refused(page: Page) -> None:
    """Of what is stored, of what failed, of what is described, in the first place or a later one."""
    stored = Stored(5, page, "p", 1, "0" * 64, "image/png", 1, 1, "original", "u")  # type: ignore[arg-type]
    for bad in (
        stored,
        Failed(5, page, "idle", None, 1, False),
        Described(5, (Image(page, "u"),), {}),
        Described(5, (Image(0, "u"), Image(page, "v")), {}),
    ):
        with pytest.raises(ValueError, match="a page that no image has"):
            unpack(b"".join(pack(known(bad))))


def test_a_snapshot_with_pages_of_images_comes_back() -> None:
    """A number, "zip", and none, of a work that failed as a whole."""
    for page in (0, 3, "zip"):
        found = known(
            Stored(5, page, "p", 1, "0" * 64, "image/png", 1, 1, "original", "u"),  # type: ignore[arg-type]
            Failed(6, page, "idle", None, 1, False),
            Failed(7, None, "idle", None, 1, False),
            Described(8, (Image(page, "u"), Image(9, "v")), {}),
        )
        back = unpack(b"".join(pack(found)))
        assert [(id, each(facts)) for id, facts in back.unfinished] == [
            (id, each(facts)) for id, facts in found.unfinished
        ]
        assert len(back.unfinished) == 4


def known(*events: Event) -> Frozen:
    """What is known after these lines, to be kept."""
    state = State()
    for n, event in enumerate(events, 1):
        state.apply(Line("a" * 12, n, f"2026-01-01T00:00:{n:02}.000Z", event))
    frozen = state.freeze()
    assert frozen is not None
    return frozen


def each(facts: Facts | Lost) -> Facts:
    """Of a work that only failed once the one fact is kept as it is."""
    return {facts.moment[1:]: facts} if isinstance(facts, Lost) else facts
