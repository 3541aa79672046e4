"""How long pages take to open: `python -m tests.bench.pages [--rounds 3]`, in Debian's chromium by Playwright.

The operations of a real log stand again and again in the tables, at later times; one page has an operation of 100,000
spans. Times are the page's own, from the beginning of the navigation.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tracekit import report, schema
from tracekit.trace import Trace, read_trace

LOG = Path(__file__).resolve().parents[2] / "sample_logs" / "4.23-kvm" / "a-healthy" / "management-server.log"
INNER = 9  # calls inside each outer one
SCREEN = {"width": 1400, "height": 900}
WATCH = """
window.seen = {};
new MutationObserver(list => list.forEach(one => { window.seen[one.attributeName] ??= performance.now(); }))
  .observe(document, { attributes: true, subtree: true, attributeFilter: ["data-drawn", "data-plotly"] });
addEventListener("load", () => { window.seen.load = performance.now(); });
"""
ZOOM = """async () => {
  const canvas = document.querySelector(".many canvas"), box = canvas.getBoundingClientRect(), took = [];
  for (let i = 0; i < 60; i += 1) {
    const begun = performance.now();
    canvas.dispatchEvent(new WheelEvent("wheel", { ctrlKey: true, deltaY: i < 30 ? -60 : 60, cancelable: true,
      clientX: box.left + box.width / 2, clientY: box.top + 40 }));
    await new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
    took.push(performance.now() - begun);
  }
  return took;
}"""


def repeated(trace: Trace, least: int) -> Trace:
    """The trace with its operations again and again, each copy an hour later, until there are `least`."""
    times = -(-least // len(trace.operations))
    tables = {
        name: pd.concat([_later(getattr(trace, name), number, len(trace.spans)) for number in range(times)])
        for name in ("spans", "operations", "ledger", "commands")
    }
    schemas = {"spans": schema.SPANS, "operations": schema.OPERATIONS, "ledger": schema.LEDGER}
    schemas["commands"] = schema.COMMANDS
    made = {
        name: schema.frame(schemas[name], {key: table[key] for key in schemas[name]}) for name, table in tables.items()
    }
    return replace(trace, **made)


def _later(table: pd.DataFrame, number: int, spans: int) -> pd.DataFrame:
    made = table.astype({name: "object" for name, dtype in table.dtypes.items() if dtype == "category"})
    for name in table.columns:
        if str(table[name].dtype) == schema.TIME:
            made[name] = table[name] + pd.Timedelta(number, "h")
        elif name in ("span", "parent", "request"):
            made[name] = table[name] + number * spans
        elif name == "operation" and number:
            made[name] = table[name] + f"#{number + 1}"
    return made


def crowded(trace: Trace, spans: int) -> Trace:
    """The trace with so many calls more in its longest work job."""
    table = trace.spans.astype({name: "object" for name, dtype in trace.spans.dtypes.items() if dtype == "category"})
    work = table[table["kind"] == "work"].sort_values("duration").iloc[-1]
    outer = spans // (INNER + 1)
    whole = int(work["duration"] / pd.Timedelta(1, "us"))
    number = np.arange(outer * (INNER + 1))
    at, inner = number // (INNER + 1), number % (INNER + 1)  # the outer call, 0 for itself
    step = whole / outer
    start = at * step + np.maximum(inner - 1, 0) * step * 0.95 / INNER
    length = np.where(inner == 0, step * 0.95, step * 0.8 / INNER)
    begins = work["start"] + pd.to_timedelta(start.astype("int64"), unit="us")
    more = pd.DataFrame(
        {
            "span": len(table) + number,
            "parent": np.where(inner == 0, work["span"], len(table) + at * (INNER + 1)),
            "depth": work["depth"] + 1 + (inner > 0),
            "operation": work["operation"], "kind": "call", "thread": work["thread"], "server": work["server"],
            "name": [f"Manager{i % 37}.method{j}" for i, j in zip(at, inner, strict=True)],
            "start": begins,
            "end": begins + pd.to_timedelta(length.astype("int64"), unit="us"),
            "status": "ok", "ends": "logged", "first_record": work["first_record"], "last_record": work["last_record"],
            "attributes": [{} for _ in number],
        }
    )  # fmt: skip
    more["duration"] = more["self_time"] = more["end"] - more["start"]
    whole_table = pd.concat([table, more], ignore_index=True)
    return replace(trace, spans=schema.frame(schema.SPANS, {name: whole_table[name] for name in schema.SPANS}))


def cpu(browser: Any) -> float:
    """CPU milliseconds that the browser's processes have taken."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    return 1000 * sum(float(process["cpuTime"]) for process in told["processInfo"])


def opened(browser: Any, path: Path, many: bool) -> dict[str, float]:
    """Milliseconds until the page is loaded and drawn, of CPU for it, and of a frame while its canvas is zoomed."""
    context = browser.new_context(viewport=SCREEN)
    page = context.new_page()
    page.add_init_script(WATCH)
    begun = cpu(browser)
    page.goto(path.as_uri())
    page.wait_for_function("'data-plotly' in window.seen && 'load' in window.seen", timeout=60_000)
    seen = page.evaluate("window.seen")
    made = {"load": seen["load"], "overview": seen["data-plotly"], "cpu": cpu(browser) - begun}
    if many:
        page.locator(".many").scroll_into_view_if_needed()
        frames = sorted(page.evaluate(ZOOM))
        made |= {"canvas": seen["data-drawn"], "frame": frames[len(frames) // 2], "frame95": frames[-4]}
    context.close()
    return made


def main() -> None:
    """Make the pages, open each in turn, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright  # only where there is a browser

    trace = read_trace([str(LOG)])
    pages: Mapping[str, Any] = {
        "100 operations": lambda: repeated(trace, 100),
        "1,000 operations": lambda: repeated(trace, 1000),
        "10,000 operations": lambda: repeated(trace, 10_000),
        "100,000 spans": lambda: crowded(trace, 100_000),
    }
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, make in pages.items():
            path = Path(folder) / f"{name}.html"
            whole = make()
            begun = time.monotonic()
            path.write_text(report.render(whole), encoding="utf-8", newline="\n")
            took = time.monotonic() - begun
            runs = [opened(browser, path, name.endswith("spans")) for _ in range(given.rounds)]
            said = ", ".join(f"{key} {statistics.median(run[key] for run in runs):.0f} ms" for key in runs[0])
            sys.stdout.write(f"{name}: {path.stat().st_size / 1e6:.1f} MB, made in {took:.1f} s; {said}\n")
        browser.close()


if __name__ == "__main__":
    main()
