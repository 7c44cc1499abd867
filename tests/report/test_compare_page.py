from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from syncqc.manifest.rules import Rules
from syncqc.report import compare_change
from syncqc.report.compare import compare
from syncqc.report.compare_made_by import made_by, notes
from syncqc.report.compare_page import SHOWN_DATASETS, About, comparison_page

sys.path.insert(0, str(Path(__file__).parent))

from made_comparison import MADE_BY, NEW, OLD, Row, row, write_manifest

if TYPE_CHECKING:
    from playwright.sync_api import Page

Opened = Callable[..., "Page"]
HOSTILE = ("<img src=x onerror=alert(1)>.mp4", "</script><script>document.title='ran'</script>")


def written(folder: Path, old: list[Row], new: list[Row]) -> Path:
    """The page about two manifests, made with other weights."""
    other = MADE_BY | {"settings": MADE_BY["settings"] | {"weights_sha256": "b" * 64, "model": HOSTILE[0]}}
    places = write_manifest(folder / "old.parquet", old), write_manifest(folder / "new.parquet", new, other)
    limits = {"probability_at_offset": Rules.p, "offscreen_ratio": Rules.offscreen}
    about = About("r/old.parquet", HOSTILE[1], made_by(*places), notes(*places), limits, "syncqc compare 'r/old <1>.parquet' new.parquet")
    page = folder / "compare.html"
    page.write_text(comparison_page(compare(*places), about), encoding="utf-8")
    return page


def hostile_rows(seed: int) -> list[Row]:
    chance = random.Random(seed)
    names = sorted([*HOSTILE, *(f"clip {i:03d}" for i in range(60))])
    more = {"speaker": HOSTILE[0], "dataset": HOSTILE[1]}
    return [
        row(name, offset=chance.choice([0, 0, 0, 1, 4]), p=chance.betavariate(8, 1), **(more if name in HOSTILE else {})) for name in names
    ]


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("page"), [*hostile_rows(1), row(f"z{HOSTILE[0]}")], hostile_rows(2))


@pytest.fixture(scope="module")
def many_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare_change, "FEW_ROWS", 10)
        return written(tmp_path_factory.mktemp("page"), hostile_rows(1), hostile_rows(2))


def scrolled_to(page: Page, name: str) -> None:
    """The figure is in the window, and so it is drawn."""
    page.locator(f"#drawing-{name}").scroll_into_view_if_needed()
    page.locator(f"#drawing-{name} .main-svg").first.wait_for()


def data_of(page: Path) -> dict[str, dict[str, object]]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    data: dict[str, dict[str, object]] = json.loads(found[1])
    return data


def test_the_figures_get_the_sums(tmp_path: Path) -> None:
    data = data_of(written(tmp_path, OLD, NEW))
    assert data["kept"] == {
        "datasets": ["talks"], "unit": "minutes",
        "times": {"both": [0.2], "only OLD": [0.133333], "only NEW": [0.266667], "neither": [0.066667]},
    }  # fmt: skip
    assert data["moves"] == {
        "moved": [0, 1, 3], "rows": {"all rows with an offset in both": [3, 1, 1], "rows that both keep": [1, 1, 1]},
    }  # fmt: skip
    p = data["changes"]["p"]
    assert isinstance(p, dict)
    assert (p["old"], p["new"], p["limit"], p["density"]) == ([0.95, 0.95, 0.95, 0.5, 0.95], [0.95, 0.8, 0.95, 0.92, 0.95], 0.9, None)
    assert p["clips"] == ["a", "a", "b", "c", "g"]


def test_of_many_datasets_those_with_the_most_time_are_shown(tmp_path: Path) -> None:
    rows = [row(f"c{i:03d}", dataset=f"set {i:03d}", end_s=4.0 + i) for i in range(SHOWN_DATASETS + 5)]
    text = written(tmp_path, rows, rows).read_text(encoding="utf-8")
    assert "those with the most time; 5 more are left out" in text
    assert '<th scope="row">set 005</th>' in text
    assert '<th scope="row">set 004</th>' not in text


@pytest.mark.parametrize(("old", "new"), [([], []), ([row("a")], [row("a")])])
@pytest.mark.browser
def test_pages_about_next_to_nothing_open(tmp_path: Path, opened: Opened, old: list[Row], new: list[Row]) -> None:
    page = opened(written(tmp_path, old, new))
    assert page.locator(".verdict").inner_text().startswith(("There is nothing to compare", "Nothing that is compared differs"))


@pytest.mark.browser
@pytest.mark.parametrize(("width", "colours"), [(390, "light"), (1280, "dark")])
def test_axe_finds_nothing_serious_and_nothing_hangs_over(
    hostile_page: Path, opened: Opened, findings: Callable[[Page], list[str]], width: int, colours: str
) -> None:
    page = opened(hostile_page, width=width, colours=colours)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(page) == []


@pytest.mark.browser
def test_strangers_names_are_text(hostile_page: Path, opened: Opened) -> None:
    page = opened(hostile_page)
    assert page.title() == "What changed between two manifests"
    text = page.locator("body").inner_text()
    assert HOSTILE[0] in text
    assert f"NEW is {HOSTILE[1]}" in text
    assert f"z{HOSTILE[0]}" in page.locator("#compared dl").inner_text()
    assert page.locator("img").count() == 0
    scrolled_to(page, "p-both")
    at = page.evaluate("(name) => syncqc.data.changes.p.clips.indexOf(name)", HOSTILE[0])
    page.evaluate("(at) => Plotly.Fx.hover('drawing-p-both', [{ curveNumber: 0, pointNumber: at }])", at)
    assert HOSTILE[0] in (page.locator("#drawing-p-both .hovertext").text_content() or "")


@pytest.mark.browser
@pytest.mark.parametrize(("which", "kinds"), [("hostile_page", ["scatter"]), ("many_page", ["heatmap", "scatter"])])
def test_few_rows_are_points_and_many_are_cells(request: pytest.FixtureRequest, opened: Opened, which: str, kinds: list[str]) -> None:
    page = opened(request.getfixturevalue(which))
    scrolled_to(page, "p-both")
    drawn = "document.getElementById('drawing-p-both')"
    assert page.evaluate(f"{drawn}.data.map((trace) => trace.type)") == kinds
    lines = page.evaluate("syncqc.figures['p-both'].csv()")
    assert lines[0] == ["clip_id", "part_index", "old", "new", "rows"]
    assert sum(line[4] for line in lines[1:] if line[0] == "") == (62 if "heatmap" in kinds else 0)
    assert lines[1][0] in syncqc_clips(page)


def syncqc_clips(page: Page) -> list[str]:
    clips: list[str] = page.evaluate("syncqc.data.changes.p.clips")
    return clips


@pytest.mark.browser
def test_every_figure_is_drawn_again_in_the_other_colours_and_can_be_saved(hostile_page: Path, opened: Opened) -> None:
    page = opened(hostile_page)
    names = page.evaluate("Object.keys(syncqc.figures)")
    assert names == ["kept", "moves", "p-both", "p-difference", "offscreen-both", "offscreen-difference"]
    scrolled_to(page, "kept")
    paper = "document.getElementById('drawing-kept').layout.paper_bgcolor"
    light = page.evaluate(paper)
    page.select_option("#theme", "dark")
    assert page.evaluate(paper) != light
    for name in names:
        scrolled_to(page, name)
    with page.expect_download() as download:
        page.click("#figure-moves button[data-kind=csv]")
    assert download.value.suggested_filename == "syncqc-moves.csv"
    assert all(
        len(line) == len(lines[0]) for lines in [page.evaluate(f"syncqc.figures['{name}'].csv()") for name in names] for line in lines
    )


@pytest.mark.browser
def test_the_tables_say_what_the_verdict_says(tmp_path: Path, opened: Opened) -> None:
    page = opened(written(tmp_path, OLD, NEW))
    cells = page.locator("table.cells tbody tr").all_inner_texts()
    assert [re.split(r"\t", line.strip()) for line in cells] == [
        ["OLD keeps", "3 rows, 3 clips, 12 s", "2 rows, 1 clip, 8 s", "5 rows, 4 clips, 20 s"],
        ["OLD drops", "4 rows, 3 clips, 16 s", "1 row, 0 clips, 4 s", "5 rows, 3 clips, 20 s"],
        ["together", "7 rows, 6 clips, 28 s", "3 rows, 1 clip, 12 s", "10 rows, 7 clips, 40 s"],
    ]
    assert page.locator(".verdict").inner_text().startswith("Under the same rules NEW keeps 8 s more than OLD: 28 s against 20 s")
    assert "The weights differ" in page.locator(".note").first.inner_text()
    assert page.locator("pre").inner_text() == "syncqc compare 'r/old <1>.parquet' new.parquet"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
