"""Time and memory of the pages: to make one, beside `syncqc filter --dry-run`, and to open one in Chromium. Writes beside itself.

Linux only (it reads /proc). Wants Playwright and a Chromium. The second argument is a manifest whose clips are there; the page about it
has as many pictures as `syncqc report` gives by itself.

    python reports/pages/run.py WORK [MANIFEST]
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from syncqc.media.synthetic import Talk
from syncqc.media.synthetic import draw as draw_clip

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HERE = Path(__file__).parent
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
ROWS = {"a million": 1_000_000, "ten million": 10_000_000}
FILES = {"a million": "small.parquet", "ten million": "big.parquet"}
CLIPS_S = (15, 60)
N_OPENINGS = 5
SYNCQC = [sys.executable, "-m", "syncqc"]
IN_VIEW = """() => {
  const seen = Array.from(document.querySelectorAll(".drawing")).filter((one) => {
    const place = one.getBoundingClientRect();
    return place.top < innerHeight && place.bottom > 0;
  });
  return seen.every((one) => one.querySelector(".main-svg")) ? performance.now() : false;
}"""
ALL_DRAWN = """() => {
  const began = performance.now();
  Object.keys(syncqc.figures).forEach(syncqc.drawNow);
  return performance.now() - began;
}"""
TIMES = """() => [performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN,
  performance.getEntriesByType("navigation")[0].loadEventEnd, document.querySelectorAll(".drawing").length]"""


@dataclass(frozen=True)
class Cost:
    """What one command took."""

    wall_s: float
    cpu_s: float
    peak_mb: float

    def over(self, other: Cost) -> str:
        """Ratios of processor time and of memory."""
        return f"{self.cpu_s / other.cpu_s:.1f} | {self.peak_mb / other.peak_mb:.1f}"

    def __str__(self) -> str:
        """Cells of a table."""
        return f"{self.cpu_s:.1f} s | {self.wall_s:.1f} s | {self.peak_mb:.0f} MB"


def main(work: Path, manifest: Path | None) -> None:
    """Measures, and puts the tables into the page beside this file."""
    work.mkdir(parents=True, exist_ok=True)
    loads: list[float] = []
    drawing = _filter_speed()
    for name, n_rows in ROWS.items():
        if not (work / FILES[name]).exists():
            drawing.draw(work / FILES[name], n_rows)

    def cost(*command: str) -> Cost:
        loads.append(os.getloadavg()[0])
        found = Cost(*drawing.watched([*SYNCQC, *command]))
        print(*command, found, file=sys.stderr, flush=True)
        return found

    made, pages = _made(work, manifest, cost)
    opened = _opened(pages, loads)
    _publish(made, opened, loads)


def _made(work: Path, manifest: Path | None, cost: Callable[..., Cost]) -> tuple[list[str], dict[str, Path]]:
    """Lines of what making cost, and the pages."""
    lines, pages = [], {}
    for name, file in FILES.items():
        source, page = str(work / file), work / f"{file}.html"
        before = cost("filter", source, "--dry-run")
        found = cost("report", source, "--out", str(page), "--force")
        after = cost("filter", source, "--dry-run")
        beside = Cost(*(min(getattr(one, part) for one in (before, after)) for part in ("wall_s", "cpu_s", "peak_mb")))
        lines += [
            f"| `filter --dry-run`, {name} rows, the lesser of before and after | {beside} | | |",
            f"| `report`, {name} rows | {found} | {found.over(beside)} |",
        ]
        pages[f"`report`, {name} rows"] = page
    small, again = work / FILES["a million"], work / "again.parquet"
    if not again.exists():
        _measure_again(small, again)
    page = work / "compare.html"
    lines.append(f"| `compare`, a million rows each | {cost('compare', str(small), str(again), '--out', str(page), '--force')} | | |")
    pages["`compare`, a million rows each"] = page
    if manifest is not None:
        page = work / "clips.html"
        lines.append(f"| `report`, real clips with pictures | {cost('report', str(manifest), '--out', str(page), '--force')} | | |")
        pages["`report`, real clips with pictures"] = page
    for length_s in CLIPS_S:
        video, page = work / f"{length_s}.mp4", work / f"{length_s}.html"
        if not video.exists():
            draw_clip(Talk(seed=1, duration_s=float(length_s), offset_frames=3), video)
        found = cost("inspect", str(video), str(page), "--html", "--force")
        lines.append(f"| `inspect --html`, a drawn clip of {length_s} s, network included | {found} | | |")
        pages[f"`inspect --html`, {length_s} s"] = page
    return lines, pages


def _opened(pages: dict[str, Path], loads: list[float]) -> list[str]:
    """Lines of what opening costs, medians of several times, each in a browser profile of its own."""
    lines = []
    with _browser() as browser:
        for name, path in pages.items():
            times = []
            for _ in range(N_OPENINGS):
                loads.append(os.getloadavg()[0])
                times.append(_opening(browser, path))
            text, load, seen, cpu, rest, n_figures = (statistics.median(column) for column in zip(*times, strict=True))
            n_pictures = path.read_text(encoding="utf-8").count('<img src="data:image/')
            size = f"{path.stat().st_size / 1e6:.1f} MB"
            times_ms = " | ".join(f"{value:.0f} ms" for value in (text, load, seen, cpu, rest))
            lines.append(f"| {name} | {size} | {n_pictures} | {n_figures:.0f} | {times_ms} |")
            print(lines[-1], file=sys.stderr, flush=True)
    return lines


def _opening(browser: Browser, path: Path) -> tuple[float, ...]:
    """Milliseconds by the clock to text, load event and figures in view, of the page's thread until then, and to draw every figure."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    metrics = context.new_cdp_session(page)
    metrics.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(path.resolve().as_uri(), wait_until="load")
    seen = page.wait_for_function(IN_VIEW).json_value()
    found = {one["name"]: one["value"] for one in metrics.send("Performance.getMetrics")["metrics"]}
    text, load, n_figures = page.evaluate(TIMES)
    rest = page.evaluate(ALL_DRAWN)
    context.close()
    return text, load, seen, 1000 * found["TaskDuration"], rest, n_figures


@contextmanager
def _browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("SYNCQC_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise SystemExit("there is no browser: install the package chromium, or name one in SYNCQC_CHROMIUM")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


def _measure_again(source: Path, out: Path) -> None:
    """The same rows as another version could have measured them: every p a little, one offset in twenty by one image."""
    draw_from = np.random.default_rng(1)
    file = pq.ParquetFile(source)
    with pq.ParquetWriter(out, file.schema_arrow, compression="zstd") as writer:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group)
            moved = {"probability_at_offset": draw_from.normal(0, 0.03, len(rows)), "offset_frames": draw_from.random(len(rows)) < 0.05}
            for name, change in moved.items():
                field = rows.schema.field(name)
                values = np.clip(np.nan_to_num(rows[name].to_numpy().astype(float)) + change, *((0, 1) if "p" in name[:1] else (-15, 15)))
                changed = pa.array(values, mask=rows[name].is_null().to_numpy()).cast(field.type)
                rows = rows.set_column(rows.schema.get_field_index(name), field, changed)
            writer.write_table(rows)


def _filter_speed() -> Any:
    """The script that draws the manifests and watches a command."""
    found = spec_from_file_location("filter_speed", HERE.parent / "filter-speed" / "run.py")
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _publish(made: list[str], opened: list[str], loads: list[float]) -> None:
    head_made = "| what | processor | wall | peak memory | processor / filter's | memory / filter's |\n|---|---|---|---|---|---|"
    head_opened = (
        "| page | size | pictures | figures | text there | load event | figures in view drawn | processor until then | "
        "drawing every figure |\n|---|---|---|---|---|---|---|---|---|"
    )
    load = f"{min(loads):.0f} to {max(loads):.0f}"
    text = (
        f"### Making them\n\n{head_made}\n{chr(10).join(made)}\n\n### Opening them\n\n{head_opened}\n{chr(10).join(opened)}\n\n"
        f"{os.cpu_count()} processor cores ({platform.machine()}), shared with other jobs: during the measurement {load} processes wanted "
        f"one (load average, this one included). Openings: median of {N_OPENINGS}, 1280 x 800, by the clock where nothing else is said."
    )
    page = HERE / "README.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
