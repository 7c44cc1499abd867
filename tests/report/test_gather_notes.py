from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from syncqc.report import cells
from syncqc.report.gather import gather

sys.path.insert(0, str(Path(__file__).parent))

from made_manifest import write_manifest

Row = dict[str, Any]

MEASURED = {
    "is_chosen_track": True, "probability_at_offset": 0.9, "offscreen_ratio": 0.0, "offset_frames": 0, "is_offset_at_edge": False,
    "speech_ratio": 0.5, "frozen_ratio": 0.0, "face_width_px": 90.0, "video_codec": "h264", "is_vfr": False, "rotation_deg": 0,
    "av_start_gap_ms": 0.0, "source_fps": 25.0, "leak_video": False, "leak_audio": False, "start_s": 0.0, "end_s": 2.0, "part_index": 0,
    "dataset": "d",
}  # fmt: skip


def written(path: Path, rows: list[Row], **settings: Any) -> Path:
    measured = [MEASURED | {"clip_id": f"{i:03d}"} | one for i, one in enumerate(rows)]
    return write_manifest(path, measured, {"schema_version": 2, "settings": settings})


def test_of_a_manifest_in_which_all_is_there_nothing_needs_to_be_said(tmp_path: Path) -> None:
    assert gather([written(tmp_path / "m.parquet", [{}, {"probability_at_offset": 0.1}])]).notes == ()


def test_what_was_never_measured_is_named_with_the_option_that_then_keeps_nothing(tmp_path: Path) -> None:
    manifest = written(tmp_path / "m.parquet", [{"leak_video": None, "speech_ratio": None, "is_offset_at_edge": None}])
    assert gather([manifest]).notes == (
        "m.parquet: speech_ratio, leak_video and is_offset_at_edge never measured; "
        "with --min-speech, --artefacts leak_video or --no-edge the filter keeps nothing.",
    )


def test_rows_that_the_filter_cannot_keep_or_counts_in_a_special_way_are_named(tmp_path: Path) -> None:
    same = {"clip_id": "000"}
    rows = [same, same, {"clip_id": "001", "is_chosen_track": False}, {"clip_id": "002", "dataset": None}]
    assert gather([written(tmp_path / "m.parquet", rows)]).notes == (
        "m.parquet: parts in which no track is chosen: 1; the filter keeps none of their rows.",
        "m.parquet: parts with more than one chosen track: 1; what two of them cover counts once.",
        "m.parquet: rows that name no dataset: 1; they stand under the manifest's name.",
    )


def test_manifests_by_different_models_or_settings_do_not_compare(tmp_path: Path) -> None:
    one = written(tmp_path / "1.parquet", [{}], **{"model": "small", "weights_sha256": "a" * 64, "score.w": 15})
    two = written(tmp_path / "2.parquet", [{}], **{"model": "base", "weights_sha256": "b" * 64, "score.w": 15})
    three = written(
        tmp_path / "3.parquet", [{}], **{"model": "base", "weights_sha256": "b" * 64, "score.w": 20, "score.keep_similarity": True}
    )
    assert gather([one, two]).notes[0] == (
        "The manifests were scored by different models, so that their numbers do not compare: "
        "1.parquet by small (weights aaaaaaaaaaaa) and 2.parquet by base (weights bbbbbbbbbbbb)."
    )
    assert gather([two, three]).notes == ("The manifests were scored with different settings: score.w.",)
    assert gather([two]).notes == ()


def test_estimates_and_sliders_that_are_gone_are_said(tmp_path: Path, monkeypatch: Any) -> None:
    rows = [{"face_width_px": 10.0 * i, "speech_ratio": i / 50, "offset_frames": i % 9} for i in range(50)]
    monkeypatch.setattr(cells, "MOST_KINDS", 2)
    monkeypatch.setattr(cells, "MOST_CELLS", 1)
    found = gather([written(tmp_path / "m.parquet", rows)])
    assert found.cells.clip_sample == 1
    assert [slider.name for slider in found.cells.sliders] == ["p", "offscreen"]
    assert found.notes == ("There are too many different rows for sliders of max_frozen, max_offset, min_face_px and min_speech.",)
    monkeypatch.setattr(cells, "MOST_CELLS", 1_000)
    found = gather([written(tmp_path / "m.parquet", rows)])
    assert found.cells.clip_sample > 1
    assert found.notes == (
        f"The threshold explorer estimates numbers of clips from one clip in {found.cells.clip_sample}; its rows and hours are exact.",
    )


def test_empty_and_unmeasured_manifests_say_so(tmp_path: Path) -> None:
    assert gather([written(tmp_path / "m.parquet", [])]).notes == ("m.parquet has no rows.",)
    unmeasured = gather([written(tmp_path / "m.parquet", [{"failure": "silent"}])]).notes
    assert unmeasured == ("m.parquet: no row was measured, so that the filter keeps none.",)


def test_many_datasets_and_far_offsets_are_said(tmp_path: Path) -> None:
    rows = [{"dataset": f"d{i}"} for i in range(10)] + [{"dataset": "d0", "offset_frames": 900}]
    assert gather([written(tmp_path / "m.parquet", rows)]).notes == (
        "3 datasets stand together as '3 others': d7, d8 and d9.",
        "Offsets beyond 250 images, which are in no histogram: 1.",
    )
