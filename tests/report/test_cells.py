from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncqc.manifest import blocks
from syncqc.manifest.filter import filter_manifest
from syncqc.manifest.rules import ARTEFACTS, Rules
from syncqc.report import cells as cells_module
from syncqc.report import cells_clips
from syncqc.report.cells import Kept, counted
from syncqc.report.cells_limits import SWITCHES, THRESHOLDS
from syncqc.report.gather import gather
from syncqc.report.gathered import Cells

sys.path.insert(0, str(Path(__file__).parent))

from made_manifest import write_manifest

Row = dict[str, Any]


def row(clip_id: str, part: int = 0, track: int = 0, **more: Any) -> Row:
    """A row that every rule keeps."""
    return {
        "clip_id": clip_id, "path": f"{clip_id}.mp4", "dataset": "d", "speaker": "s", "part_index": part, "track_index": track,
        "start_s": 4.0 * part, "end_s": 4.0 * part + 4, "is_chosen_track": True, "video_codec": "h264", "is_vfr": False,
        "rotation_deg": 0, "av_start_gap_ms": 0.0, "source_fps": 25.0, "leak_video": False, "leak_audio": False,
        "probability_at_offset": 0.95, "offscreen_ratio": 0.0, "offset_frames": 0, "is_offset_at_edge": False, "speech_ratio": 0.9,
        "frozen_ratio": 0.0, "face_width_px": 100.0,
    } | more  # fmt: skip


NUMBERS = {
    "probability_at_offset": (0.0, 0.5, 0.7, 0.8999, 0.9, 0.90001, 0.95, 0.98, 0.999, 1.0, None),
    "offscreen_ratio": (0.0, 0.05, 0.2, 0.20001, 0.3, 1.0, None),
    "offset_frames": (-30, -2, -1, 0, 1, 5, 15, 40, None),
    "is_offset_at_edge": (True, False, None),
    "speech_ratio": (0.0, 0.3, 0.5, 1.0, None),
    "frozen_ratio": (0.0, 0.02, 0.1, 0.5, 1.0, None),
    "face_width_px": (8.0, 32.0, 96.0, 600.0, None),
    "video_codec": ("h264", "mpeg4", None),
    "is_vfr": (True, False, None),
    "rotation_deg": (0, 90, None),
    "av_start_gap_ms": (0.0, 41.0, -90.0, None),
    "source_fps": (15.0, 25.0, None),
    "leak_video": (True, False, None),
    "leak_audio": (True, False, None),
    "failure": (None, None, None, "no_face"),
    "is_chosen_track": (True, True, True, False, None),
    "dataset": ("a", "b", None),
    "start_s": (0.0, 0.52, 1.0, None),
    "end_s": (0.5, 2.0, 3.04, None),
}


def drawn_rows(draw: random.Random, n_clips: int) -> list[Row]:
    """Rows of which each differs from one that is kept in a few columns."""
    rows = []
    for clip in range(n_clips):
        for part in range(draw.randint(1, 3)):
            for track in range(draw.choice([1, 1, 1, 2, 3])):
                others = draw.sample(sorted(NUMBERS), draw.randint(0, 4))
                rows.append(row(f"{clip:03d}", part, track, **{name: draw.choice(NUMBERS[name]) for name in others}))
    return rows


def drawn_setting(draw: random.Random, cells: Cells) -> tuple[dict[str, int | None], set[str]]:
    limits: dict[str, int | None] = {}
    for slider in cells.sliders:
        if draw.random() < 0.4:
            limits[slider.name] = draw.choice([*range(len(slider.limits)), *([None] * 5 if slider.can_be_off else [])])
    without = {name for name in (*cells.artefacts, *cells.switches) if draw.random() < 0.15}
    return limits, without


def rules_of(cells: Cells, limits: dict[str, int | None], without: set[str]) -> Rules:
    """What `syncqc filter` is asked for at this setting."""
    values: dict[str, Any] = {}
    for slider in cells.sliders:
        limit = limits.get(slider.name, slider.default)
        values[slider.name] = None if limit is None else slider.limits[limit]
    artefacts = tuple(name for name in cells.artefacts if name in without)
    return Rules(**values, **{name: name in without for name in cells.switches}, artefacts=artefacts)


def filtered(manifests: list[Path], rules: Rules) -> Kept:
    amounts = [filter_manifest(manifest, rules=rules).kept for manifest in manifests]
    return Kept(sum(a.n_rows for a in amounts), sum(a.n_clips for a in amounts), sum(a.length_s for a in amounts))


def same(found: Kept, expected: Kept) -> bool:
    return found == Kept(expected.n_rows, expected.n_clips, pytest.approx(expected.length_s, abs=1e-3))  # type: ignore[arg-type]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), most_cells=st.sampled_from([1, 12, 40_000]), at_once=st.sampled_from([2, 60_000]))
def test_any_setting_gives_what_the_filter_keeps(tmp_path: Path, seed: int, most_cells: int, at_once: int) -> None:
    draw = random.Random(seed)
    manifests = [write_manifest(tmp_path / f"{i}.parquet", drawn_rows(draw, draw.randint(1, 12))) for i in range(draw.randint(1, 2))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "ROWS_AT_ONCE", at_once)
        patch.setattr(cells_module, "MOST_CELLS", most_cells)
        patch.setattr(cells_module, "_MOST_CELLS_UNDER_WAY", 2 * most_cells)
        cells = gather(manifests).cells
    assert cells.clip_sample == 1
    for _ in range(5):
        limits, without = drawn_setting(draw, cells)
        rules = rules_of(cells, limits, without)
        expected = filtered(manifests, rules)
        total, of_datasets = counted(cells, limits, without)
        assert same(total, expected), rules
        assert sum(one.n_rows for one in of_datasets) == expected.n_rows
        assert sum(one.length_s for one in of_datasets) >= expected.length_s - 1e-6


def test_the_numbers_of_a_dataset_are_those_of_a_filter_that_asks_for_it(tmp_path: Path) -> None:
    draw = random.Random(3)
    rows = [one | {"dataset": "b" if one["clip_id"] > "020" else "a"} for one in drawn_rows(draw, 40)]
    manifest = write_manifest(tmp_path / "m.parquet", rows)
    found = gather([manifest])
    assert [dataset.name for dataset in found.datasets] == ["a", "b"]
    for _ in range(5):
        limits, without = drawn_setting(draw, found.cells)
        rules = rules_of(found.cells, limits, without)
        total, of_datasets = counted(found.cells, limits, without)
        of_datasets += (Kept(0, 0, 0.0),) * (2 - len(of_datasets))
        kept = [filter_manifest(manifest, rules=Rules(**{**rules.__dict__, "where": f"dataset = '{name}'"})).kept for name in ("a", "b")]
        assert [(one.n_rows, one.n_clips) for one in of_datasets] == [(one.n_rows, one.n_clips) for one in kept]
        assert [one.length_s for one in of_datasets] == pytest.approx([one.length_s for one in kept])
        assert total.n_clips == sum(one.n_clips for one in of_datasets)


def test_time_that_two_chosen_tracks_of_a_part_cover_counts_once_whichever_stays(tmp_path: Path) -> None:
    rows = [
        row("a", 0, 0, start_s=0.0, end_s=3.0, probability_at_offset=0.92),
        row("a", 0, 1, start_s=2.0, end_s=4.0, offscreen_ratio=0.1),
        row("a", 0, 2, start_s=2.5, end_s=3.5, probability_at_offset=0.5),
    ]
    cells = gather([write_manifest(tmp_path / "m.parquet", rows)]).cells
    # 0-2 s is the first row's alone, 3-4 s the second's (the third needs less of p, but more of nothing: beside the second it counts).
    of_p = cells.sliders[0].limits.index(0.95)
    assert counted(cells, {})[0].length_s == pytest.approx(4)
    assert counted(cells, {"p": of_p})[0].length_s == pytest.approx(2)
    assert counted(cells, {"offscreen": cells.sliders[1].limits.index(0.05)})[0].length_s == pytest.approx(3)
    assert counted(cells, {"p": 0})[0].length_s == pytest.approx(4)


def test_limits_get_coarser_where_there_are_too_many_cells_but_for_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(0)
    rows = [
        row(f"{i:04d}", probability_at_offset=draw.random(), offscreen_ratio=draw.random(), speech_ratio=draw.random(),
            face_width_px=300 * draw.random(), frozen_ratio=draw.random())
        for i in range(3_000)
    ]  # fmt: skip
    monkeypatch.setattr(cells_module, "MOST_CELLS", 500)
    monkeypatch.setattr(cells_module, "MOST_KINDS", 100)
    cells = gather([write_manifest(tmp_path / "m.parquet", rows)]).cells
    assert len(cells.n_rows) <= 500
    assert sum(cells.n_rows) == 3_000
    assert len(cells.clips) <= 100
    by_name = {slider.name: slider for slider in cells.sliders}
    assert by_name["p"].limits[by_name["p"].default or 0] == Rules.p
    assert by_name["offscreen"].limits[by_name["offscreen"].default or 0] == Rules.offscreen
    assert set(by_name) <= {threshold.name for threshold in THRESHOLDS}


def test_a_sample_of_clips_is_drawn_by_name_and_estimates_their_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(1)
    rows = [row(f"{i // 2:05d}", i % 2, probability_at_offset=draw.random()) for i in range(8_000)]
    manifest = write_manifest(tmp_path / "m.parquet", rows)
    exact = gather([manifest]).cells
    monkeypatch.setattr(cells_clips, "_MOST_UNDER_WAY", 1_000)
    found = gather([manifest]).cells
    expected = filter_manifest(manifest).kept
    assert exact.clip_sample == 1
    assert counted(exact, {})[0].n_clips == expected.n_clips
    assert found.clip_sample in (4, 8)
    estimate = counted(found, {})[0]
    assert estimate.n_rows == expected.n_rows
    # So many clips of 4,000 are kept with chance 0.19; of a sample of 500 that is known to about one in ten.
    assert estimate.n_clips == pytest.approx(expected.n_clips, rel=0.35)
    assert gather([manifest]).cells == found


def test_every_rule_without_a_number_has_its_box(tmp_path: Path) -> None:
    cells = gather([write_manifest(tmp_path / "m.parquet", [row("a")])]).cells
    assert cells.artefacts == tuple(ARTEFACTS)
    assert cells.switches == SWITCHES
    assert [slider.option for slider in cells.sliders] == [
        "--p", "--offscreen", "--max-offset", "--min-speech", "--max-frozen", "--min-face-px",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value", "name"),
    [
        ("video_codec", "mpeg4", "mpeg4"), ("is_vfr", True, "vfr"), ("rotation_deg", 90, "rotated"),
        ("av_start_gap_ms", 41.0, "late_start"),
        ("source_fps", 15.0, "low_fps"), ("leak_video", True, "leak_video"), ("leak_audio", True, "leak_audio"),
        ("is_offset_at_edge", True, "no_edge"),
    ],
)  # fmt: skip
def test_a_box_takes_what_has_the_artefact_and_what_was_not_looked_at(tmp_path: Path, column: str, value: object, name: str) -> None:
    rows = [row("a"), row("b", **{column: value}), row("c", **{column: None})]
    cells = gather([write_manifest(tmp_path / "m.parquet", rows)]).cells
    assert counted(cells, {})[0].n_clips == 3
    assert counted(cells, {}, {name})[0].n_clips == 1
