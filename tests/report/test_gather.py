from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syncqc.errors import UsageError
from syncqc.manifest import blocks
from syncqc.manifest.filter import filter_manifest
from syncqc.manifest.rules import Rules
from syncqc.report.cells import counted
from syncqc.report.gather import gather
from syncqc.report.gathered import Dataset, FunnelStep
from syncqc.report.html import as_data, json_in_html

sys.path.insert(0, str(Path(__file__).parent))

from made_manifest import write_manifest

Row = dict[str, Any]


def row(clip_id: str, part: int = 0, *, p: float | None = 0.95, **more: Any) -> Row:
    return {
        "clip_id": clip_id, "path": f"{clip_id}.mp4", "dataset": "lrs3", "speaker": clip_id[0], "part_index": part, "track_index": 0,
        "start_s": 4.0 * part, "end_s": 4.0 * part + 4, "is_chosen_track": True, "probability_at_offset": p, "offscreen_ratio": 0.0,
        "offset_frames": 1,
    } | more  # fmt: skip


def failed(clip_id: str, failure: str, **more: Any) -> Row:
    nothing = {"offset_frames": None, "offscreen_ratio": None, "is_chosen_track": None}
    return row(clip_id, p=None, failure=failure, **{**nothing, **more})


def written(path: Path, rows: list[Row], **known: Any) -> Path:
    return write_manifest(path, rows, {"schema_version": 2, "settings": {"model": "m"}, "syncqc": "0.1"} | known, rows_per_group=3)


ROWS = [
    row("a"), row("a", 1, p=0.5), row("a", 1, p=None, track_index=1, is_chosen_track=False, offscreen_ratio=None),
    row("b", offscreen_ratio=0.5, end_s=3.0), failed("c", "silent"), failed("d", "no_face", dataset=None), failed("e", "silent"),
    row("f", dataset=None, speaker=None),
]  # fmt: skip


def test_each_dataset_is_summed_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 3)
    found = gather([written(tmp_path / "mine.parquet", ROWS)])
    assert found.datasets == (
        Dataset("mine", "mine.parquet", 2, 1, 2, 1, 4.0, {"no_face": 1}),
        Dataset("lrs3", "mine.parquet", 6, 3, 4, 4, 11.0, {"silent": 2}),
    )
    (source,) = found.sources
    assert (source.manifest, source.n_rows, source.n_clips, source.n_speakers, source.length_s) == ("mine.parquet", 8, 6, 5, 15.0)
    assert source.made_by["model"] == "m"


def test_the_funnel_is_that_of_the_default_filter(tmp_path: Path) -> None:
    manifest = written(tmp_path / "m.parquet", ROWS)
    assert gather([manifest]).funnels == {
        "m.parquet": (
            FunnelStep("all", "", 8, 6, 27.0), FunnelStep("measured", "all numbers there", 4, 3, 15.0),
            FunnelStep("chosen", "true", 4, 3, 15.0),
            FunnelStep("p", ">= 0.9", 3, 3, 11.0), FunnelStep("offscreen", "<= 0.2", 2, 2, 8.0),
        )
    }  # fmt: skip


def test_several_manifests_stand_side_by_side_and_count_as_their_filters(tmp_path: Path) -> None:
    one, two = written(tmp_path / "one.parquet", ROWS), written(tmp_path / "two.parquet", ROWS[:3])
    found = gather([one, two])
    assert [dataset.name for dataset in found.datasets] == ["one", "lrs3 (one.parquet)", "lrs3 (two.parquet)"]
    assert list(found.funnels) == ["one.parquet", "two.parquet"]
    expected = [filter_manifest(path, rules=Rules(p=0.5)).kept for path in (one, two)]
    total, of_datasets = counted(found.cells, {"p": found.cells.sliders[0].limits.index(0.5)})
    assert total.n_rows == sum(kept.n_rows for kept in expected) == 5
    assert total.n_clips == sum(kept.n_clips for kept in expected) == 3
    assert [kept.n_rows for kept in of_datasets] == [1, 2, 2]


@pytest.mark.parametrize(
    "rows",
    [[], [failed("a", "silent"), failed("b", "no_face")], [row("a", is_chosen_track=False)], [row("a", start_s=None, end_s=None)]],
    ids=["no rows", "nothing measured", "no track chosen", "no times"],
)
def test_manifests_without_much_in_them_have_everything_that_a_page_asks_for(tmp_path: Path, rows: list[Row]) -> None:
    found = gather([written(tmp_path / "m.parquet", rows)])
    assert len(found.datasets) == 1
    assert {len(histogram.counts) for histogram in found.histograms.values()} == {1}
    assert sum(step.length_s for step in found.funnels["m.parquet"]) == sum(0.0 if one["end_s"] is None else 4.0 for one in rows) * (
        1 if not rows or rows[0].get("failure") else 2
    )
    data = as_data(found)
    assert json.loads(json_in_html(data)) == data
    assert data["datasets"][0]["n_rows"] == len(rows)
    assert counted(found.cells, {})[0].n_rows == sum(one.get("failure") is None and one["is_chosen_track"] for one in rows)


def test_what_an_older_manifest_lacks_counts_as_not_measured(tmp_path: Path) -> None:
    manifest = written(tmp_path / "m.parquet", ROWS)
    old = pq.read_table(manifest).select(
        ["clip_id", "part_index", "start_s", "end_s", "failure", "is_chosen_track", "probability_at_offset"]
    )
    pq.write_table(old, manifest)
    found = gather([manifest])
    assert [dataset.name for dataset in found.datasets] == ["m"]
    assert found.histograms["offscreen_ratio"].n_null == (4,)
    assert sum(found.histograms["probability_at_offset"].counts[0]) == 4
    assert counted(found.cells, {"p": 0})[0].n_rows == 0


def test_filtered_and_resynced_manifests_are_gathered_and_say_so(tmp_path: Path) -> None:
    source = written(tmp_path / "m.parquet", ROWS)
    filter_manifest(source, tmp_path / "clean.parquet", drops=tmp_path / "drops.parquet")
    resynced = written(tmp_path / "r.parquet", [row("a", resync_status="shifted", resync_shift_frames=1)], resync={"mode": "bake"})
    clean, drops, repaired = (gather([path]) for path in (tmp_path / "clean.parquet", tmp_path / "drops.parquet", resynced))
    assert counted(clean.cells, {})[0].n_rows == clean.sources[0].n_rows == 2
    assert "clean.parquet holds only what `syncqc filter` left: it does not show the dataset as it was." in clean.notes
    assert "drops.parquet: rows that an earlier filter dropped: 6." in drops.notes
    assert "r.parquet was written by `syncqc resync`: its offsets are those from before the repair." in repaired.notes
    assert repaired.sources[0].made_by["resync"] == "mode bake"
    assert clean.sources[0].made_by["filter 1"].startswith("manifest m.parquet")


def test_what_cannot_be_gathered_is_refused_in_one_sentence(tmp_path: Path) -> None:
    manifest = written(tmp_path / "m.parquet", ROWS)
    with pytest.raises(UsageError, match="no manifest is named"):
        gather([])
    with pytest.raises(UsageError, match="is named twice"):
        gather([manifest, tmp_path / "." / "m.parquet"])
    with pytest.raises(UsageError, match="there is no manifest"):
        gather([manifest, tmp_path / "no.parquet"])
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(UsageError, match="not a manifest written by syncqc"):
        gather([tmp_path / "other.parquet"])
    with pytest.raises(UsageError, match="not sorted by clip_id"):
        gather([written(tmp_path / "mixed.parquet", ROWS[::-1])])
    (tmp_path / "m.parquet.parts").mkdir()
    (tmp_path / "m.parquet.parts/rows-000001.parquet").touch()
    with pytest.raises(UsageError, match="is not finished"):
        gather([manifest])


def test_where_the_blocks_end_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(5)
    rows = [
        row(f"{draw.choice('abc')}{i // 3:03d}", i % 3, p=draw.random(), offscreen_ratio=draw.random(), offset_frames=draw.randint(-9, 9),
            clip_offset_frames=i // 3 % 5, dataset_offset_frames=i // 3 % 4, split=draw.choice(["dev", None]))
        for i in range(90)
    ]  # fmt: skip
    manifest = written(tmp_path / "m.parquet", sorted(rows, key=lambda one: one["clip_id"]))
    whole = as_data(gather([manifest]))
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 4)
    assert as_data(gather([manifest])) == whole
