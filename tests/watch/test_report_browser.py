"""The report in a real Chromium: its plots are drawn, in light, dark and on a phone; nothing is loaded."""

import shutil
from collections.abc import Iterator

import pytest
from report_kit import NOON, run_of

from crawler.watch.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no Chromium is installed (Debian: chromium)", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

FLAGS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update"]
DRAWN = "() => [...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('.main-svg'))"
FITS = """() => [...document.querySelectorAll(".plot")].every(
    (plot) => plot.querySelector(".main-svg").clientWidth === plot.clientWidth)"""
DARK = """() => getComputedStyle(
    document.querySelector("[data-plot=formats-0] .bars .point path")).fill === "rgb(130, 149, 255)\""""
MARKS = ".bars .point path, .scatterlayer .js-line, .heatmaplayer image"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    return write_report(run_of(folder / "run"), folder / "report.html", NOON.timestamp()).page.as_uri()


@pytest.fixture(scope="module")
def opened(report: str) -> Iterator[tuple["sync_api.Page", list[str]]]:
    """The report in a browser, and all that goes wrong: what is loaded beside it, said to the console, asked of us."""
    wrong: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(color_scheme="light")
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("request", lambda request: wrong.append(request.url))
        page.goto(report)
        page.wait_for_function(DRAWN)
        yield page, wrong
        browser.close()


@pytest.fixture
def page(opened: tuple["sync_api.Page", list[str]], report: str) -> Iterator["sync_api.Page"]:
    """The report as it is opened on a desk, in light; nothing may have gone wrong at the end."""
    page, wrong = opened
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1200, "height": 900})
    page.wait_for_function(FITS)
    yield page
    assert {text for text in wrong if not text.startswith("data:image/")} == {report}


def test_every_plot_is_drawn_and_tells_its_numbers(page: "sync_api.Page") -> None:
    """Each place has marks of data; the hover says what a mark stands for; the block and the second run are marked."""
    for plot in page.locator(".plot").all():
        name = plot.get_attribute("data-plot")
        assert plot.locator(MARKS).count() > 0, name
        assert plot.locator("a").count() == 0, name  # the words of the site are words, not marks of the figure
    throughput = page.locator('[data-plot="throughput-0"]')
    assert throughput.locator(".scatterlayer .js-line").count() == 3
    assert throughput.locator(".shapelayer path").count() == 2
    throughput.hover(position={"x": 300, "y": 200})
    said = " ".join(throughput.locator(".hoverlayer").all_text_contents())
    assert "works a minute" in said
    assert "images a second" in said
    assert "a host had us wait for" in said
    page.locator('[data-plot="formats-0"]').hover()
    said = page.locator('[data-plot="formats-0"] .hoverlayer').text_content()
    assert said.split() == ["image/jpeg3", "100.0", "%"]


def test_dark_is_drawn_in_dark(page: "sync_api.Page") -> None:
    """A plot has the colours of the style, and takes the new ones when the scheme changes under it."""
    mark = page.locator('[data-plot="formats-0"] .bars .point path')
    fill = "(path) => getComputedStyle(path).fill"
    assert mark.evaluate(fill) == "rgb(74, 99, 231)"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(DARK)
    assert mark.count() == 1


def test_on_a_phone_nothing_sticks_out(page: "sync_api.Page") -> None:
    """At 390 pixels, also when a phone is turned: no plot is wider than its card, and none is left at the old width."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(FITS)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for text in page.locator(".plot .ytick text").all():
        assert text.bounding_box()["x"] >= 0


def test_no_other_script_runs(opened: tuple["sync_api.Page", list[str]]) -> None:
    """The page's own policy: a script whose digest it does not name is refused, and so is a request."""
    page, wrong = opened
    refused = """() => new Promise((done) => {
        const seen = [];
        addEventListener("securitypolicyviolation", (event) => {
            seen.push(event.effectiveDirective);
            if (seen.length === 2) done(seen.sort());
        });
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.head.append(script);
        fetch("http://127.0.0.1:9/").catch(() => null);
    })"""
    assert page.evaluate(refused) == ["connect-src", "script-src-elem"]
    assert page.evaluate("window.ran === undefined")
    wrong.clear()
