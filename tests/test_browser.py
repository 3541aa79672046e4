"""The page in a browser: Playwright drives Debian's chromium; skipped where one of the two is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import report_factory as factory
from tracekit import report

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

DRAWN = "document.documentElement.dataset.plotly === 'drawn'"
DESKTOP = {"width": 1400, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass
class Opened:
    """A page and what it did while it was open."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@dataclass
class Browser:
    """Opens files; every context is closed at the end of the test."""

    browser: Any
    contexts: list[Any] = field(default_factory=list)

    def open(self, path: Path, *, wait: bool = True, anchor: str = "", **options: Any) -> Opened:
        context = self.browser.new_context(**{"viewport": DESKTOP, **options})
        self.contexts.append(context)
        opened = Opened(context.new_page())
        opened.page.on("console", lambda message: opened.complaints.append(message.text))
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on("dialog", lambda dialog: opened.complaints.append(f"dialog {dialog.message}"))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.goto(path.as_uri() + anchor)
        if wait and options.get("java_script_enabled", True):
            opened.page.wait_for_function(DRAWN, timeout=20_000)
        return opened


@pytest.fixture(scope="module")
def driver(chromium: str) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: install tracekit's extra `dev`")
    with playwright.sync_playwright() as running:
        made = running.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@pytest.fixture
def browser(driver: Any) -> Iterator[Browser]:
    made = Browser(driver)
    yield made
    for context in made.contexts:
        context.close()


@pytest.fixture(scope="module")
def typical(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _written(tmp_path_factory, report.render(factory.typical()))


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _written(tmp_path_factory, report.render(factory.bad()))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _written(tmp_path_factory, report.render(factory.many()))


def _written(factory_: pytest.TempPathFactory, html: str) -> Path:
    path = factory_.mktemp("page") / "page.html"
    path.write_text(html, encoding="utf-8", newline="\n")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_from_disk_without_a_complaint_and_asks_for_nothing(
    browser: Browser, typical: Path, scheme: str
) -> None:
    opened = browser.open(typical, color_scheme=scheme)
    assert opened.complaints == []
    assert opened.requests == [typical.as_uri()]
    assert opened.page.locator("#overview-plot .main-svg").count() > 0
    assert opened.page.locator("#overview-static").is_hidden()


def test_without_scripts_it_says_and_draws_the_same(browser: Browser, typical: Path) -> None:
    plain = browser.open(typical, java_script_enabled=False)
    assert plain.page.locator("#overview-static .dot").count() == 18
    assert plain.page.locator("#overview-static").is_visible()
    assert plain.page.locator("#job-53 .timeline .bar").first.is_visible()
    scripted = browser.open(typical)
    for part in ("#summary", "#job-53", "#job-51", "#coverage"):
        # Not what is rendered: a browser leaves that until it is near the screen.
        said, also = plain.page.locator(part).text_content(), scripted.page.locator(part).text_content()
        assert len(said) > 500
        assert all(line in also for line in said.splitlines())
    assert plain.complaints == []


@pytest.mark.parametrize("sandbox", ["", "allow-scripts"])
def test_it_works_in_a_sandboxed_frame(browser: Browser, typical: Path, tmp_path: Path, sandbox: str) -> None:
    outer = tmp_path / "outer.html"
    outer.write_text(
        f'<!DOCTYPE html><title>t</title><iframe width=1300 height=800 sandbox="{sandbox}" src="{typical.as_uri()}">'
    )
    opened = browser.open(outer, wait=False)
    frame = opened.page.frame_locator("iframe")
    assert "failed after 12.4 s" in frame.locator("h1").inner_text()
    assert frame.locator("#job-53 .timeline .bar").first.is_visible()
    if sandbox:
        frame.locator("#overview-plot .main-svg").first.wait_for(timeout=20_000)
        assert opened.complaints == []


def test_the_first_screen_needs_no_scrolling(browser: Browser, typical: Path) -> None:
    opened = browser.open(typical)
    box = opened.page.locator("#summary").bounding_box()
    assert box["y"] + box["height"] <= DESKTOP["height"]


@pytest.mark.parametrize("which", ["typical", "bad"])
def test_a_phone_never_scrolls_sideways(browser: Browser, which: str, request: pytest.FixtureRequest) -> None:
    opened = browser.open(request.getfixturevalue(which), viewport=PHONE)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_table_is_filtered(browser: Browser, typical: Path) -> None:
    page = browser.open(typical).page
    page.locator("#operations").get_by_role("searchbox").fill("deploy i-2-5")
    assert page.locator("#ops tbody tr:visible th").all_inner_texts() == ["job-49"]
    assert page.locator("#operations").get_by_role("status").inner_text() == "1 of 18"
    page.locator("#operations").get_by_role("searchbox").fill("")
    assert page.locator("#ops tbody tr:visible").count() == 18


def test_the_table_is_sorted_by_keyboard(browser: Browser, typical: Path) -> None:
    page = browser.open(typical).page
    wall = page.locator("#ops thead button", has_text="Wall")
    wall.focus()
    page.keyboard.press("Enter")
    names = page.locator("#ops tbody th").all_inner_texts()
    assert names[:3] == ["job-53", "job-51", "job-49"]
    assert names[-1] == "job-60"  # its wall time is not known
    assert page.locator("#ops th[aria-sort=descending]").inner_text().startswith("Wall")
    page.keyboard.press("Enter")
    assert page.locator("#ops tbody th").all_inner_texts()[-2:] == ["job-53", "job-60"]


def test_a_link_leads_to_an_operation(browser: Browser, typical: Path) -> None:
    page = browser.open(typical, anchor="#job-53").page
    page.wait_for_timeout(100)
    assert 0 <= page.locator("#job-53").bounding_box()["y"] < DESKTOP["height"] / 2
    page.locator("#ops a", has_text="job-51").click()
    assert page.url.endswith("#job-51")


def test_a_timeline_is_zoomed(browser: Browser, typical: Path) -> None:
    page = browser.open(typical).page
    frame = page.locator("#job-53 .timeline .scroll")
    before = frame.evaluate("e => e.scrollWidth")
    page.locator("#job-53 .zoom button", has_text="5×").click()
    assert frame.evaluate("e => e.scrollWidth") == pytest.approx(5 * before, rel=0.02)
    assert page.locator("#job-53 .zoom button[aria-pressed=true]").inner_text() == "5×"


def test_very_many_spans_are_drawn_by_script(browser: Browser, many: Path) -> None:
    opened = browser.open(many)
    page = opened.page
    page.wait_for_selector(".many[data-drawn]")
    assert opened.complaints == []
    assert page.locator("#job-71 .fixed").is_hidden()
    canvas = page.locator("#job-71 canvas")
    canvas.focus()
    said = page.locator("#job-71 .many [role=status]")
    for key, words in (
        ("ArrowDown", "execution: VolumeDaoImpl · at +0 µs · 25.0 s"),
        ("ArrowDown", "job-71 · at +100 ms · 24.8 s"),
        ("ArrowDown", "VolumeDaoImpl.find0 · at +200 ms · 8 ms"),
        ("ArrowRight", "VolumeDaoImpl.find1 · at +210 ms · 8 ms"),
    ):
        page.keyboard.press(key)
        assert said.inner_text().startswith(words)
    before = canvas.evaluate("e => e.toDataURL().length")
    for _ in range(6):
        page.keyboard.press("+")
    page.wait_for_timeout(200)
    assert canvas.evaluate("e => e.toDataURL().length") != before
    page.emulate_media(media="print")
    assert canvas.is_hidden()
    assert page.locator("#job-71 .fixed .bar").first.is_visible()


def test_without_scripts_the_longest_of_very_many_spans_are_drawn(browser: Browser, many: Path) -> None:
    page = browser.open(many, java_script_enabled=False).page
    assert page.locator("#job-71 .fixed .bar").first.is_visible()
    assert page.locator("#job-71 .many").is_hidden()
    assert "1 of 2,401 spans" in page.locator("#job-71 .fixed").text_content()


def test_the_names_at_the_end_are_filtered(browser: Browser, typical: Path) -> None:
    page = browser.open(typical).page
    names = page.locator("#coverage .filtered")
    names.locator("summary").click()
    names.get_by_role("searchbox").fill("kvm1")
    assert names.locator("tbody tr:visible").count() == 1


def test_the_lines_are_filtered(browser: Browser, typical: Path) -> None:
    page = browser.open(typical).page
    lines = page.locator("#job-53 .log-lines")
    lines.locator("summary").click()
    lines.get_by_role("searchbox").fill("timed out")
    assert lines.locator("tbody tr:visible").count() == 1


def test_bars_are_read_by_keyboard(browser: Browser, typical: Path) -> None:
    page = browser.open(typical).page
    bar = page.locator("#job-53 .timeline .bar[tabindex='0']")
    bar.first.focus()
    first = page.locator("#job-53 .said").inner_text()
    page.keyboard.press("ArrowRight")
    second = page.locator("#job-53 .said").inner_text()
    assert first.startswith("synchronous")
    assert second.startswith("asynchronous")


def test_a_ticket_is_copied(browser: Browser, typical: Path) -> None:
    page = browser.open(typical).page
    page.locator("#job-53 .ticket summary").click()
    page.locator("#job-53 .ticket button", has_text="Mermaid").click()
    assert page.locator("#job-53 .ticket [role=status]").last.inner_text() in (
        "copied",
        "selected: copy it with the keyboard",
    )
    assert page.evaluate("getSelection().toString()").startswith("sequenceDiagram")


def test_the_drawn_overview_leads_to_the_operations(browser: Browser, typical: Path) -> None:
    page = browser.open(typical).page
    failed = page.locator("#overview-plot .scatterlayer .trace .points path").first
    failed.scroll_into_view_if_needed()
    box = failed.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(300)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("location.hash.length > 1", timeout=5000)


def test_a_hostile_log_executes_nothing(browser: Browser, bad: Path) -> None:
    opened = browser.open(bad)
    for summary in opened.page.locator("#job-66 > details > summary").all():
        summary.click()
    points = opened.page.locator("#overview-plot .points path")
    for i in range(points.count()):
        points.nth(i).hover(force=True)
    opened.page.wait_for_timeout(300)
    assert opened.complaints == []
    assert opened.requests == [bad.as_uri()]
    assert opened.page.locator("img").count() == 0


def test_it_prints(browser: Browser, typical: Path) -> None:
    page = browser.open(typical).page
    page.emulate_media(media="print")
    assert page.locator("#overview-static").is_visible()
    assert page.locator(".tools").first.is_hidden()
    assert page.pdf().startswith(b"%PDF")


# Leaves three of the rows that have the same tags and classes: axe looks at every element, and these look alike.
THREE_OF_A_KIND = """() => {
  const seen = new Map();
  for (const row of [...document.querySelectorAll("tr, li")].reverse()) {
    const kind = [row, ...row.querySelectorAll("*")].map(e => `${e.tagName}.${e.getAttribute("class")}`).join();
    seen.set(kind, (seen.get(kind) ?? 0) + 1);
    if (seen.get(kind) > 3) row.remove();
  }
}"""


@pytest.mark.parametrize("which", ["typical", "bad", "many"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, which: str, scheme: str, request: pytest.FixtureRequest) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="no axe: pip install axe-playwright-python"
    )
    opened = browser.open(request.getfixturevalue(which), color_scheme=scheme, bypass_csp=True)
    opened.page.add_style_tag(content=".operation { content-visibility: visible !important }")
    # Three operations are made of the same parts as twenty; axe looks at every element.
    opened.page.evaluate("[...document.querySelectorAll('.operation')].slice(3).forEach(e => e.remove())")
    opened.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    opened.page.evaluate(THREE_OF_A_KIND)
    found = axe.Axe().run(opened.page).response["violations"]
    assert [(rule["id"], node["html"]) for rule in found for node in rule["nodes"]] == []
