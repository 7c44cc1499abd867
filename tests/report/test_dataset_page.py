from __future__ import annotations

import csv
import html
import io
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from syncqc.cli.main import main
from syncqc.manifest.filter import filter_manifest
from syncqc.manifest.rules import Rules
from syncqc.report.dataset_page import dataset_page
from syncqc.report.gather import gather
from syncqc.report.gathered import Cells, Dataset, FunnelStep, Gathered, OwnOffsets
from syncqc.report.words import length_in_words

sys.path.insert(0, str(Path(__file__).parent))

from made_gathered import SLIDERS, made_gathered
from made_manifest import random_rows, write_manifest

if TYPE_CHECKING:
    from playwright.sync_api import Page

Opened = Callable[..., "Page"]
HOSTILE = ("<img src=x onerror=alert(1)>.mp4", "</script><script>document.title='ran'</script>")
PICTURE = HOSTILE[0]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_manifest(tmp_path_factory.mktemp("manifest") / "it's mine.parquet", random_rows())


@pytest.fixture(scope="module")
def real_page(manifest: Path) -> Path:
    """The page about a manifest of random rows."""
    path = manifest.with_name("report.html")
    path.write_text(dataset_page(gather([manifest]), "a title", [str(manifest)]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page about sums made by hand."""
    path = tmp_path_factory.mktemp("made") / "report.html"
    path.write_text(dataset_page(made_gathered(), "a title", ["m.parquet"]), encoding="utf-8")
    return path


def kept_by(command: str, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What the command that the page shows says that it keeps."""
    program, *arguments = shlex.split(command)
    assert (program, main([*arguments, "--dry-run"])) == ("syncqc", 0)
    found = re.search(r"^kept: (\S+ of \S+) rows, (\S+ of \S+) clips, (.*?) of ", capsys.readouterr().out, re.MULTILINE)
    assert found is not None
    return dict(zip(("rows", "clips", "time"), found.groups(), strict=True))


def shown_in(page: Page, row: str) -> dict[str, str]:
    line = page.locator(f'#kept tr[data-dataset="{row}"]')
    shown = {name: line.locator(f'[data-kept="{name}"]').inner_text() for name in ("rows", "clips", "time")}
    return shown | {"time": shown["time"].split(" of ")[0]}


SETTINGS: list[tuple[dict[str, list[str]], list[str], str]] = [
    ({}, [], "--p 0.9 --offscreen 0.2"),
    ({"p": ["ArrowLeft"] * 3, "offscreen": ["ArrowLeft"] * 2}, [], "--p 0.87 --offscreen 0.3"),
    ({"p": ["Home"], "offscreen": ["Home"]}, [], "--p 0 --offscreen 1"),
    ({"max_offset": ["End", "ArrowLeft"]}, [], "--p 0.9 --offscreen 0.2 --max-offset 1"),
    (
        {"p": ["Home"], "min_speech": ["Home", "ArrowRight", "ArrowRight"], "max_frozen": ["End"], "min_face_px": ["ArrowRight"]},
        ["vfr", "mpeg4"],
        "--p 0 --offscreen 0.2 --min-speech 0.05 --max-frozen 0 --min-face-px 16 --artefacts mpeg4,vfr",
    ),
    ({"p": ["Home"], "offscreen": ["Home"]}, ["--no-edge"], "--p 0 --offscreen 1 --no-edge"),
]


@pytest.mark.browser
def test_the_numbers_are_those_of_the_command_that_is_shown(
    opened: Opened, real_page: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = opened(real_page)
    n_kept = set()
    for keys, boxes, options in SETTINGS:
        page.get_by_role("button", name="Back to the defaults").press("Enter")
        page.wait_for_function("document.querySelectorAll('#thresholds :checked').length === 0")
        for slider, presses in keys.items():
            for key in presses:
                page.locator(f"#slider-{slider}").press(key)
        for box in boxes:
            page.locator(f'input[data-artefact="{box}"], input[data-option="{box}"]').press("Space")
        command = page.locator("#command").inner_text()
        assert command == f"syncqc filter {shlex.quote(str(manifest))} {options} --out clean.parquet"
        shown = shown_in(page, "2")
        assert shown == kept_by(command, capsys), options
        n_kept.add(shown["rows"])
    assert len(n_kept) == len(SETTINGS), "every setting keeps something else"


@pytest.mark.browser
def test_each_dataset_has_its_own_numbers_and_a_slider_says_its_value(opened: Opened, real_page: Path, manifest: Path) -> None:
    page = opened(real_page)
    for row, name in enumerate(("alpha", "beta")):
        kept = filter_manifest(manifest, None, Rules(where=f"dataset = '{name}'")).kept
        shown = {key: text.split(" of ")[0] for key, text in shown_in(page, str(row)).items()}
        assert shown == {"rows": str(kept.n_rows), "clips": str(kept.n_clips), "time": length_in_words(kept.length_s)}
    slider = page.locator("#slider-max_offset")
    assert slider.get_attribute("aria-valuetext") == "off"
    slider.press("End")
    assert slider.get_attribute("aria-valuetext") == "0 images"
    assert page.locator("#value-max_offset").inner_text() == "0 images"


@pytest.mark.browser
def test_the_curve_of_kept_time_follows_the_other_thresholds(opened: Opened, made_page: Path) -> None:
    page = opened(made_page)
    curve = "document.getElementById('drawing-pareto').data.filter((trace) => trace.mode === 'lines').map((trace) => trace.y)"
    before = page.evaluate(curve)
    gathered = made_gathered()
    limits = gathered.cells.sliders[0].limits
    offscreen = [
        sum(4.0 for d, p, o in zip(gathered.cells.dataset, *gathered.cells.levels[:2], strict=True) if d == 1 and p > k and o > 16)
        for k in range(len(limits))
    ]
    assert before[1] == pytest.approx([time_s / 60 for time_s in offscreen])
    page.locator("#slider-offscreen").press("End")
    assert sum(page.evaluate(curve)[1]) < sum(before[1])


@pytest.mark.browser
def test_everybody_can_use_it(opened: Opened, made_page: Path, findings: Callable[[Page], list[str]]) -> None:
    page = opened(made_page)
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for colours in ("light", "dark"):
            page.emulate_media(color_scheme=colours)
            page.wait_for_function("(colours) => document.documentElement.dataset.theme === colours", arg=colours)
            assert findings(page) == [], f"{width} px, {colours}"
            assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.browser
def test_strangers_names_are_shown_and_not_run(opened: Opened, tmp_path: Path) -> None:
    rows = random_rows(60, datasets=HOSTILE)
    for row in rows:
        row["clip_id"] += HOSTILE[0]
        row["speaker"] = HOSTILE[1] + row["speaker"]
    manifest = write_manifest(tmp_path / f"{HOSTILE[0]}.parquet", rows)
    path = tmp_path / "report.html"
    path.write_text(dataset_page(gather([manifest]), HOSTILE[1], [manifest.name]), encoding="utf-8")
    page = opened(path)
    assert page.locator("h1").inner_text() == HOSTILE[1]
    assert {page.locator(f'#kept tr[data-dataset="{row}"] th').inner_text() for row in (0, 1)} == set(HOSTILE)
    assert page.locator("table.sortable th[scope=row]", has_text=HOSTILE[1]).count() > 0
    assert page.locator("#figure-pareto svg text", has_text=HOSTILE[0][:20]).count() > 0
    assert page.locator("img").count() == 0
    assert shlex.split(page.locator("#command").inner_text())[2] == manifest.name


@pytest.mark.browser
def test_figures_are_drawn_when_they_come_near_and_all_of_them_for_paper(opened: Opened, made_page: Path) -> None:
    page = opened(made_page, is_drawn=False, height=300)
    assert page.locator("#drawing-bias .main-svg").count() == 0
    assert page.locator("#kept [data-kept=rows]").first.inner_text().endswith(" of 200")
    room_px = page.locator("#drawing-bias").bounding_box()
    page.locator("#drawing-bias").scroll_into_view_if_needed()
    page.locator("#drawing-bias .main-svg").first.wait_for()
    drawn_px = page.locator("#drawing-bias").bounding_box()
    assert room_px is not None
    assert drawn_px is not None
    assert drawn_px["height"] == pytest.approx(room_px["height"], abs=1)
    page.pdf()
    assert page.locator(".drawing:not(:has(.main-svg))").count() == 0


@pytest.mark.browser
def test_a_page_about_no_rows_says_so_and_draws_nothing(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(dataset_page(gather([write_manifest(tmp_path / "m.parquet", [])]), "t", ["m.parquet"], sheets=()), encoding="utf-8")
    page = opened(path)
    assert page.locator("h2").all_inner_texts() == ["There are no rows", "Where the numbers come from"]
    assert page.locator("nav.page a").all_inner_texts() == ["Summary", "Where it comes from"]


@pytest.mark.browser
def test_a_table_is_sorted_by_the_keyboard(opened: Opened, made_page: Path) -> None:
    page = opened(made_page)
    table = page.locator('table[data-name="speaker"]')

    def names() -> list[str]:
        return table.locator("tbody th").all_inner_texts()

    head = table.get_by_role("columnheader", name="rows")
    assert (names(), head.get_attribute("aria-sort")) == (["anna", "ben", "cleo"], "none")
    head.get_by_role("button").press("Enter")
    assert (names(), head.get_attribute("aria-sort")) == (["ben", "cleo", "anna"], "descending")
    head.get_by_role("button").press("Space")
    assert (names(), head.get_attribute("aria-sort")) == (["anna", "cleo", "ben"], "ascending")
    hours_head = table.get_by_role("columnheader", name="time")
    for order in ("descending", "ascending"):
        hours_head.get_by_role("button").press("Enter")
        assert hours_head.get_attribute("aria-sort") == order
        assert names()[-1] == "ben", "what is not known stands last"
    assert head.get_attribute("aria-sort") == "none"


@pytest.mark.browser
def test_figures_and_tables_are_saved_and_the_command_is_copied(opened: Opened, made_page: Path) -> None:
    page = opened(made_page, permissions=["clipboard-read", "clipboard-write"])

    def saved(selector: str) -> bytes:
        with page.expect_download() as found:
            page.locator(selector).click()
        return Path(found.value.path()).read_bytes()

    rows = list(csv.reader(io.StringIO(saved('[data-figure="histogram-probability_at_offset"][data-kind="csv"]').decode())))
    counts = made_gathered().histograms["probability_at_offset"].counts
    assert rows[0] == ["from", "to", "good", "bad"]
    assert [[int(row[2]), int(row[3])] for row in rows[1:]] == [list(pair) for pair in zip(*counts, strict=True)]
    table = list(csv.reader(io.StringIO(saved('[data-table="speaker"]').decode())))
    assert table == [
        ["Name", "Dataset", "rows", "time, h"],
        ["anna", "good", "3", "0.5"],
        ["ben", "bad", "20", ""],
        ["cleo", "good", "10", "0.25"],
    ]
    assert b"<svg" in saved('[data-figure="pareto"][data-kind="svg"]')[:200]
    assert saved('[data-figure="bias"][data-kind="png"]')[:8] == b"\x89PNG\r\n\x1a\n"
    page.locator('[data-copy="command"]').click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "syncqc filter m.parquet --p 0.9 --offscreen 0.2 --out clean.parquet"


@pytest.mark.browser
def test_on_paper_there_is_no_control_and_all_that_matters(opened: Opened, made_page: Path) -> None:
    page = opened(made_page, colours="dark")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("html").get_attribute("data-theme") == "light"
    assert not any(page.locator(selector).first.is_visible() for selector in ("nav.page", "#thresholds", ".save", ".theme", "[data-copy]"))
    assert all(page.locator(selector).is_visible() for selector in ("h1", "#fix", "#kept", "#figure-pareto svg >> nth=0"))


def text_of(page: str, part: str) -> str:
    """What a reader sees of the element with that id."""
    found = re.search(rf'id="{part}".*?</(?:section|pre)>', page, re.DOTALL)
    assert found is not None
    return html.unescape(re.sub(r"[ \n]+", " ", re.sub("<[^>]*>", " ", found[0])))


def test_the_page_names_the_worse_dataset_why_and_the_command() -> None:
    page = dataset_page(made_gathered(), "a title", ["m.parquet"])
    said = text_of(page, "summary")
    assert "“bad” is the worse of the two" in said
    assert "probability below 0.9; “good”: " in said
    assert "offscreen ratio above 0.2; “good”: " in said
    assert "of “bad” is early or late by more than 1 image (40\u00a0ms)" in said
    assert "syncqc filter m.parquet --p 0.9 --offscreen 0.2 --out clean.parquet" in text_of(page, "fix")


def test_names_and_notes_are_escaped_wherever_they_stand() -> None:
    gathered = made_gathered((PICTURE, "</script>"), manifest=PICTURE)
    gathered = replace(
        gathered,
        notes=(PICTURE,),
        own_offsets=(OwnOffsets(PICTURE, ((0, 0, 1),), 1, 1, 0.0),),
        funnels={PICTURE: (FunnelStep(PICTURE, PICTURE, 1, 1, 1.0),)},
    )
    page = dataset_page(gathered, PICTURE, [PICTURE])
    assert PICTURE not in page
    assert "<img" not in page.split("<body>")[1].split("<script>")[0]
    assert html.escape(PICTURE) in page
    assert "\\u003cimg src=x" in page


def test_without_contact_sheets_there_is_neither_the_part_nor_its_link() -> None:
    gathered = made_gathered()
    without = dataset_page(gathered, "t", ["m.parquet"])
    empty = dataset_page(gathered, "t", ["m.parquet"], sheets=(), no_faces="there is no <file>")
    assert 'id="clips"' not in without
    assert "#clips" not in without
    assert 'href="#clips"' in empty
    assert "No face is shown: there is no <file>" in text_of(empty, "clips")


def nothing_measured() -> Gathered:
    none = ()
    cells = Cells(SLIDERS, (), none, (none,) * len(SLIDERS), none, none, none, none, none, 1)
    found = made_gathered(("only",), n_rows=1)
    histograms = {
        name: replace(histogram, counts=tuple((0,) * len(bins) for bins in histogram.counts))
        for name, histogram in found.histograms.items()
    }
    dataset = Dataset("only", "m.parquet", 2, 0, 1, 0, 0.0, {"no_face": 2})
    return replace(found, cells=cells, datasets=(dataset,), histograms=histograms, own_offsets=())


def test_a_manifest_without_a_measured_row_has_a_page() -> None:
    page = dataset_page(nothing_measured(), "t", ["m.parquet"])
    said = text_of(page, "summary")
    assert "Nothing was measured" in said
    assert "no face was found in this part" in said
    assert 'id="fix"' not in page
    assert "No row has it." in page


def test_tables_say_shares_in_percent_and_hours_as_lengths() -> None:
    one = made_gathered().tables[0]
    lines = (replace(one.groups[0], numbers={"n_rows": 12345, "hours": 1.5, "kept_share": 0.25, "mean_p": 0.98765, "median": None}),)
    table = replace(one, heads={name: name for name in lines[0].numbers}, groups=lines)
    page = dataset_page(made_gathered(tables=(table,)), "t", ["m.parquet"])
    cells = re.findall(r'<td class="number" data-number="([^"]*)">([^<]*)</td>', page)
    assert cells == [("12345", "12,345"), ("1.5", "1.50 h"), ("0.25", "25\u00a0%"), ("0.98765", "0.988"), ("", "\u2013")]
