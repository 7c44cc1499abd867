from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from syncqc.errors import UsageError
from syncqc.manifest import store
from syncqc.manifest.columns import schema
from syncqc.manifest.explain import Check, explain
from syncqc.manifest.filter import filter_manifest
from syncqc.manifest.rules import Rules

GOOD: dict[str, Any] = {
    "clip_id": "v/it's", "path": "/d/v/it's.mp4", "part_index": 0, "track_index": 0, "start_s": 0.0, "end_s": 4.0, "is_chosen_track": True,
    "probability_at_offset": 0.75, "offscreen_ratio": 0.125, "offset_frames": -3, "is_vfr": True,
}  # fmt: skip
ROWS = [
    GOOD | {"clip_id": "u/other", "path": "/d/u/other.mp4"},
    GOOD,
    GOOD | {"part_index": 1, "track_index": None, "failure": "no_face", "probability_at_offset": None, "is_chosen_track": None},
]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    of = schema().with_metadata({store.PROVENANCE_KEY: b"{}"})
    pq.write_table(store.table_of(ROWS).cast(of), tmp_path / "m.parquet")
    return tmp_path / "m.parquet"


def test_every_rule_is_shown_with_its_value_also_behind_the_one_that_takes_the_row(manifest: Path) -> None:
    rules = Rules(max_offset=1, artefacts=("vfr",), where="start_s = 0")
    clip_id, (first, second) = explain(manifest, "v/it's", rules)
    assert clip_id == "v/it's"
    assert (first.part_index, first.track_index, first.start_s, first.end_s, first.dropped_by) == (0, 0, 0.0, 4.0, "p")
    assert first.checks == (
        Check("measured", "all numbers there", "failure", None, True),
        Check("chosen", "true", "is_chosen_track", True, True),
        Check("p", ">= 0.9", "probability_at_offset", 0.75, False),
        Check("offscreen", "<= 0.2", "offscreen_ratio", 0.125, True),
        Check("max_offset", "-1 to 1", "offset_frames", -3, False),
        Check("artefacts: vfr", "not vfr", "is_vfr", True, False),
        Check("where", "start_s = 0", "meets `where`", True, True),
    )
    assert second.dropped_by == "measured: no_face"
    assert second.checks[0] == Check("measured", "all numbers there", "failure", "no_face", False)
    assert second.checks[2] == Check("p", ">= 0.9", "probability_at_offset", None, False)


def test_a_clip_that_stays_or_goes_as_a_whole_shows_its_share(manifest: Path) -> None:
    _, rows = explain(manifest, "v/it's", Rules(p=0.5, per="clip"))
    assert [row.dropped_by for row in rows] == ["clip", "measured: no_face"]
    assert [row.checks[-1] for row in rows] == [Check("clip", ">= 100% of its time", "", 0.5, False)] * 2
    _, rows = explain(manifest, "v/it's", Rules(p=0.5, per="clip", min_share=0.5))
    assert [(row.dropped_by, row.checks[-1].is_met) for row in rows] == [(None, True), ("measured: no_face", True)]


@pytest.mark.parametrize("per", ["row", "clip"])
def test_the_verdicts_are_those_of_the_filter(manifest: Path, tmp_path: Path, per: str) -> None:
    rules = Rules(p=0.7, where="clip_id <> 'u/other'", per=per, min_share=0.5)
    filter_manifest(manifest, tmp_path / "clean.parquet", rules, drops=tmp_path / "drops.parquet")
    dropped = [(row["clip_id"], row["dropped_by"]) for row in store.read_rows(tmp_path / "drops.parquet")]
    told = [(clip, row.dropped_by) for clip in ("u/other", "v/it's") for row in explain(manifest, clip, rules)[1]]
    assert dropped == [verdict for verdict in told if verdict[1] is not None]


def test_a_clip_may_be_named_by_its_path(manifest: Path) -> None:
    assert explain(manifest, "/d/v/it's.mp4", Rules())[0] == "v/it's"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("it's", "v/it's"), ("v/its", "v/it's"), ("othr", "u/other")],
    ids=["its last name", "a letter left out", "far"],
)
def test_an_unknown_clip_is_refused_with_the_nearest(manifest: Path, name: str, nearest: str) -> None:
    with pytest.raises(UsageError) as raised:
        explain(manifest, name, Rules())
    assert f"has no clip {name!r}; did you mean {nearest!r}?" in str(raised.value)


def test_a_manifest_without_rows_has_no_clip(tmp_path: Path) -> None:
    store.merge([], tmp_path / "m.parquet", schema(), {})
    with pytest.raises(UsageError, match=r"m\.parquet has no rows"):
        explain(tmp_path / "m.parquet", "a", Rules())
