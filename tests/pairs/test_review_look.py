"""Looking at a pair: the sketch laid over its colouring by hand, and originals larger than any screen."""

import statistics
from collections.abc import Callable

import pytest
from review_kit import Run, enlarged, served
from review_tab import Open, times

from crawler.pairs.judgements import Pair


def test_the_sketch_is_moved_and_scaled_by_hand(run: Run, open_tab: Open) -> None:
    """In the overlay the sketch follows the pointer, the wheel and the keys, the colouring stays, 0 takes it back."""
    with served(run.folder) as server:
        tab = open_tab(server.url)
        page = tab.page
        tab.shows()
        page.keyboard.press("Shift+R")  # what is blurred cannot be held
        page.keyboard.press("o")
        sketch, colored = page.locator("#over .side1"), page.locator("#over .side0")

        def box() -> tuple[float, ...]:
            found = sketch.bounding_box()
            return tuple(round(found[name], 1) for name in ("x", "y", "width", "height"))

        before, under = box(), colored.bounding_box()
        x, y = before[0] + before[2] / 2, before[1] + before[3] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 40, y - 25, steps=3)
        page.mouse.up()
        assert box() == pytest.approx((before[0] + 40, before[1] - 25, *before[2:]), abs=0.5)
        page.mouse.move(x + 40, y - 25)
        page.mouse.wheel(0, -400)
        tab.until(lambda: box()[2] > before[2])
        left, top, wide, high = box()
        assert (left + wide / 2, top + high / 2) == pytest.approx((x + 40, y - 25), abs=1), (
            "it grows around the pointer"
        )
        assert wide / high == pytest.approx(before[2] / before[3], rel=0.02)
        page.keyboard.press("Shift+ArrowRight")
        assert box()[0] > left
        page.keyboard.press("-")
        assert box()[2] < wide
        page.keyboard.press("f")
        assert (
            page.evaluate("getComputedStyle(document.querySelector('#over .side1')).transform")
            == "matrix(-1, 0, 0, 1, 0, 0)"
        )
        page.keyboard.press("f")
        page.keyboard.press("x")  # magnified, a hand moves as far as the pointer does
        left = box()[0]
        page.mouse.down()
        page.mouse.move(x + 70, y - 25, steps=2)
        page.mouse.up()
        assert box()[0] - left == pytest.approx(30, abs=1)
        page.keyboard.press("x")
        assert colored.bounding_box() == under
        page.keyboard.press("0")
        assert box() == before
        page.keyboard.press("Shift+ArrowDown")
        tab.press("ArrowRight")
        assert not page.locator("#over.moved").count(), "the next pair lies as it lies"
        tab.saved()
        assert run.verdicts() == {}


@pytest.mark.long  # each touch waits for a frame
def test_the_sketch_is_moved_and_scaled_with_fingers(run: Run, open_tab: Open) -> None:
    """One finger drags, two scale around the point between them and drag by it, three hold it; whichever comes, goes or
    is taken away, nothing jumps, and the colouring and the page itself stay as they are."""
    with served(run.folder) as server:
        tab = open_tab(server.url)
        page = tab.page
        tab.shows()
        page.keyboard.press("Shift+R")
        page.keyboard.press("o")
        sketch, colored = page.locator("#over .side1"), page.locator("#over .side0")
        line = page.context.new_cdp_session(page)

        def box() -> tuple[float, ...]:
            found = sketch.bounding_box()
            return tuple(found[name] for name in ("x", "y", "width", "height"))

        def touch(kind: str, **fingers: tuple[float, float]) -> tuple[float, ...]:
            points = [{"x": x + at[0], "y": y + at[1], "id": "abc".index(name)} for name, at in fingers.items()]
            line.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
            return box()

        before, under = box(), colored.bounding_box()
        x, y = before[0] + before[2] / 2, before[1] + before[3] / 2
        touch("Start", a=(0, 0))
        for step in (10, 20, 30):
            touch("Move", a=(step, -step))
        assert touch("End", a=(30, -30)) == pytest.approx((before[0] + 30, before[1] - 30, *before[2:]), abs=1)

        page.keyboard.press("0")
        touch("Start", a=(-50, 0))
        touch("Start", a=(-50, 0), b=(50, 0))
        for step in range(1, 11):
            left, top, wide, high = touch("Move", a=(-50 - 4 * step, 2 * step), b=(50 + 6 * step, 2 * step))
        assert (wide, high) == pytest.approx((2 * before[2], 2 * before[3]), rel=0.02), "100 px between became 200"
        assert (left + wide / 2 - x, top + high / 2 - y) == pytest.approx((10, 20), abs=2), "around their middle"
        now = touch("Start", a=(-90, 20), b=(110, 20), c=(0, 60))
        assert touch("Move", a=(-60, 50), b=(170, 60), c=(80, 90)) == now, "three hold it"
        assert touch("End", c=(80, 90)) == now
        assert touch("Move", a=(-50, 50), b=(180, 60)) == pytest.approx((now[0] + 10, *now[1:]), abs=1), "no jump"
        now = touch("End", a=(-50, 50))
        then = touch("Move", b=(190, 80))
        assert then == pytest.approx((now[0] + 10, now[1] + 20, *now[2:]), abs=1), "the one that is left drags"
        assert touch("Cancel") == then
        assert not page.locator("#over.held").count()
        for _ in range(2):  # two quick pinches are no double click
            touch("Start", a=(-50, 0), b=(50, 0))
            touch("Move", a=(-55, 0), b=(55, 0))
            touch("Move", a=(-50, 0), b=(50, 0))
            touch("End")
        assert box() == pytest.approx(then, abs=2)
        assert colored.bounding_box() == under
        assert page.evaluate("[visualViewport.scale, scrollX, scrollY].join()") == "1,0,0"
        page.keyboard.press("0")
        assert box() == pytest.approx(before, abs=0.5)
        tab.saved()
        assert run.verdicts() == {}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_large_originals_are_there_in_time(
    run: Run, open_tab: Open, record_property: Callable[[str, object], None]
) -> None:
    """Of 8000 x 8000 each, a pair every two seconds: painted within 150 ms of the key. Asked for again, each is there
    at once: it was made once. Magnified, the original itself is shown."""
    count = 24
    enlarged(run, count, 8000)
    for pace, told in ((2.0, "first time, a pair in 2 s"), (0.5, "the second time, two pairs a second")):
        run.judgements.unlink(missing_ok=True)
        with served(run.folder) as server:
            tab = open_tab(server.url)
            shown: list[Pair] = []
            tab.shows()
            if pace == 2.0:
                tab.page.keyboard.press("x")
                tab.until(lambda tab=tab: tab.page.locator(".view img.original").count() == 2, 60)
                wide = tab.page.evaluate("document.querySelector('.view img.original').naturalWidth")
                assert wide == 8000
                tab.page.keyboard.press("x")
                assert tab.page.locator(".view img.original").count() == 0
                tab.page.wait_for_timeout(20_000)  # somebody reads the help first
            for _ in range(count - 1):
                tab.page.wait_for_timeout(1000 * pace)
                shown.append(tab.press("y"))
            spans = sorted(times(tab.page, shown))
            median, late = statistics.median(spans), spans[-1 - len(spans) // 20]
            said = f"{told}: median {median:.0f} ms, p95 {late:.0f} ms, most {spans[-1]:.0f} ms, {len(spans)} of them"
            print(said)
            record_property(told, said)
            assert median <= 150, said
            tab.saved()
            tab.page.close()
