from __future__ import annotations

import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from syncqc.errors import UsageError
from syncqc.manifest import blocks
from syncqc.manifest.filter import filter_manifest
from syncqc.manifest.rules import Rules
from syncqc.report.compare import compare
from syncqc.report.compared import Amount, Comparison, Moves

sys.path.insert(0, str(Path(__file__).parent))

from made_comparison import NEW, OLD, failed, row, write_manifest
from made_manifest import random_rows

Row = dict[str, Any]


def compared(folder: Path, old: list[Row], new: list[Row], rules: Rules = Rules(), **options: Any) -> Comparison:  # noqa: B008
    return compare(write_manifest(folder / "old.parquet", old), write_manifest(folder / "new.parquet", new), rules, **options)


@pytest.fixture(scope="module", params=[1, 3, 60_000], ids="{} rows at once".format)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "ROWS_AT_ONCE", request.param)
        return compared(tmp_path_factory.mktemp("pair"), OLD, NEW)


def test_what_could_be_compared_is_counted(found: Comparison) -> None:
    m = found.matching
    assert (m.n_clips, m.n_rows) == (8, 10)
    assert (m.only_old, m.names_only_old) == (Amount(1, 1, 4.0), ("f",))
    assert (m.only_new, m.names_only_new) == (Amount(1, 1, 4.0), ("j",))
    assert (m.n_recut_clips, m.elsewhere_old, m.elsewhere_new) == (1, 2, 3)
    assert (m.n_same_track, m.n_other_track, m.n_other_stretch) == (4, 1, 0)
    assert found.old.source == Amount(11, 9, 40.0)
    assert found.new.source == Amount(14, 9, 56.0)


def test_rows_clips_and_time_are_counted_by_who_keeps_them(found: Comparison) -> None:
    kept = found.kept
    assert kept.both == Amount(3, 3, 12.0)  # a 0, b, g
    assert kept.only_old == Amount(2, 1, 8.0)  # a 1, e
    assert kept.only_new == Amount(4, 3, 16.0)  # c, d, h 0, h 1
    assert kept.neither == Amount(1, 0, 4.0)  # h 2, of a clip that NEW keeps
    assert (kept.old_s, kept.new_s) == (20.0, 28.0)
    assert found.gained_from == {"measured": 3, "p": 1}
    assert found.lost_to == {"p": 1, "measured": 1}


def test_offsets_are_counted_by_how_far_they_moved(found: Comparison) -> None:
    assert found.offsets.counts == {0: 3, 1: 1, 3: 1}
    assert found.kept_offsets.counts == {0: 1, 1: 1, 3: 1}
    assert (found.kept_offsets.median, found.kept_offsets.n_beyond()) == (1.0, 1)
    assert found.clip_offsets.counts == {0: 3, 1: 1, 3: 1}
    assert (found.n_clip_offsets_gained, found.n_clip_offsets_lost) == (2, 1)
    assert [one.clip_id for one in found.moved_most] == ["b"]


def test_failures_appear_and_go(found: Comparison) -> None:
    assert found.failures == {("unreadable", None): 3, ("silent", None): 1, (None, "no_face"): 1}
    assert (found.n_appeared, found.n_gone, found.n_other_reason) == (1, 4, 0)
    assert [(one.clip_id, one.part_index, one.old.reason, one.new.reason) for one in found.failed_otherwise] == [
        ("d", 0, "silent", None), ("e", 0, None, "no_face"),
        ("h", 0, "unreadable", None), ("h", 1, "unreadable", None), ("h", 2, "unreadable", None),
    ]  # fmt: skip


def test_the_rows_and_clips_that_changed_most_come_first(found: Comparison) -> None:
    # The last row is one of two that did not change; equal changes stand in their order.
    assert [(one.clip_id, one.part_index) for one in found.p.changed_most] == [("c", 0), ("a", 1)]
    first = found.p.changed_most[0]
    assert (first.old.p, first.new.p) == (0.5, pytest.approx(0.92))
    assert (first.old.dropped_by, first.new.dropped_by) == ("p", None)
    assert [(one.clip_id, one.old_s, one.new_s) for one in found.clips] == [
        ("h", 0, 8), ("a", 8, 4), ("c", 0, 4), ("d", 0, 4), ("e", 4, 0), ("b", 4, 4),
    ]  # fmt: skip
    assert found.n_changed_rows == 10


def test_each_dataset_has_its_sums(tmp_path: Path) -> None:
    old = [row("a", p=0.5), row("b", dataset="films", offset=3), row("c", dataset=None), failed("d", "silent")]
    new = [row("a", p=0.75), row("b", dataset="films"), row("c", dataset=None), row("d")]
    lines = compared(tmp_path, old, new).datasets
    assert [(line.name, line.kept.all.n_rows, line.n_measured, line.n_moved) for line in lines] == [
        ("talks", 2, 1, 0), (None, 1, 1, 0), ("films", 1, 1, 1),
    ]  # fmt: skip
    assert [line.mean_p for line in lines] == [0.25, 0.0, 0.0]
    assert (lines[0].kept.old_s, lines[0].kept.new_s) == (0.0, 4.0)


def mirrored(moves: Moves) -> dict[int, int]:
    return {-move: n for move, n in moves.counts.items()}


def test_the_other_way_round_everything_is_mirrored(tmp_path: Path, found: Comparison) -> None:
    back = compared(tmp_path, NEW, OLD)
    kept = found.kept
    assert back.kept == replace(kept, only_old=kept.only_new, only_new=kept.only_old, old_s=kept.new_s, new_s=kept.old_s)
    for name in ("offsets", "kept_offsets", "clip_offsets"):
        assert getattr(back, name).counts == mirrored(getattr(found, name))
    assert back.failures == {(new, old): n for (old, new), n in found.failures.items()}
    assert back.p.differences == found.p.differences[::-1]
    assert back.p.correlation == pytest.approx(found.p.correlation)
    assert (back.gained_from, back.lost_to) == (found.lost_to, found.gained_from)


def test_a_manifest_beside_itself_is_the_same(tmp_path: Path) -> None:
    found = compared(tmp_path, NEW, NEW)
    assert found.is_same
    assert (found.n_changed_rows, found.p.n_equal, found.kept.only_old.n_rows, found.clips) == (0, found.p.n, 0, ())


@pytest.mark.parametrize(
    "change",
    [
        {"offset_frames": 1}, {"probability_at_offset": 0.94}, {"offscreen_ratio": 0.1}, {"track_index": 1}, {"clip_offset_frames": 1},
        {"end_s": 3.9}, {"failure": "silent"}, {"n_parts": 2}, {"clip_id": "b"}, {"is_chosen_track": False}, {"clip_offset_frames": None},
    ],
    ids=str,
)  # fmt: skip
def test_one_difference_is_enough_not_to_be_the_same(tmp_path: Path, change: Row) -> None:
    assert not compared(tmp_path, [row("a")], [row("a") | change]).is_same


@pytest.mark.parametrize(("old", "new"), [([], []), ([], [row("a")]), ([row("a")], []), ([row("a")], [row("b")])])
def test_manifests_without_common_rows_have_nothing_that_is_compared(tmp_path: Path, old: list[Row], new: list[Row]) -> None:
    found = compared(tmp_path, old, new)
    assert (found.matching.n_rows, found.kept.all, found.p.n, found.offsets.median) == (0, Amount(), 0, None)
    assert (found.matching.only_old.n_rows, found.matching.only_new.n_rows) == (len(old), len(new))
    assert found.is_same == (old == new)


def test_a_part_that_lies_elsewhere_is_not_compared(tmp_path: Path) -> None:
    old = [row("a", start_s=0.0, end_s=4.0), row("b", start_s=0.0, end_s=4.0)]
    new = [row("a", start_s=2.1, end_s=6.1), row("b", start_s=1.9, end_s=5.9)]
    found = compared(tmp_path, old, new)
    assert (found.matching.n_rows, found.matching.elsewhere_old, found.matching.elsewhere_new) == (1, 1, 1)
    assert (found.matching.n_other_stretch, found.matching.n_recut_clips, found.is_same) == (1, 0, False)


RULES = [
    Rules(), Rules(p=0.4, offscreen=0.9, max_offset=3), Rules(per="clip", min_share=0.5), Rules(per="clip"), Rules(keep_all_tracks=True),
    Rules(artefacts=("vfr", "mpeg4")), Rules(where="offset_frames > 0 or speaker = 'speaker 1'"),
]  # fmt: skip


def changed_rows(rows: list[Row], seed: int) -> list[Row]:
    chance = random.Random(seed)
    made = []
    for one in rows:
        new = dict(one)
        if new.get("failure") is None and chance.random() < 0.5:
            new["probability_at_offset"] = chance.random()
            new["offset_frames"] = chance.randint(-15, 15)
        if chance.random() < 0.1:
            new = {name: value for name, value in new.items() if name not in ("offset_frames", "probability_at_offset")} | {
                "failure": "silent"
            }
        made.append(new)
    return made


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: str(rules.with_defaults_left_out()))
def test_what_is_kept_is_what_the_filter_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rules: Rules) -> None:
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 40)
    source = random_rows(70, seed=3)
    new = changed_rows(source, 5)
    clips = sorted({one["clip_id"] for one in source})
    old_clips, new_clips = set(clips[:40] + clips[50:]), set(clips[10:])
    mine = [one for one in source if one["clip_id"] in old_clips]
    theirs = [one for one in new if one["clip_id"] in new_clips]
    manifests = [write_manifest(tmp_path / f"{name}.parquet", rows, rows_per_group=30) for name, rows in (("old", mine), ("new", theirs))]
    found = compare(manifests[0], manifests[1], rules)
    for name, rows, cells in (
        ("old", source, (found.kept.both, found.kept.only_old)), ("new", new, (found.kept.both, found.kept.only_new)),
    ):  # fmt: skip
        common = write_manifest(tmp_path / "common.parquet", [one for one in rows if one["clip_id"] in old_clips & new_clips])
        kept = filter_manifest(common, rules=rules).kept
        assert kept.n_rows > 0
        assert sum(cell.n_clips for cell in cells) == kept.n_clips
        assert getattr(found.kept, f"{name}_s") == pytest.approx(kept.length_s)
        if not rules.keep_all_tracks:
            assert sum(cell.n_rows for cell in cells) == kept.n_rows
    for total, manifest in ((found.old, "old.parquet"), (found.new, "new.parquet")):
        whole = filter_manifest(tmp_path / manifest, rules=rules)
        assert total.kept.n_clips == whole.kept.n_clips
        assert total.kept.length_s == pytest.approx(whole.kept.length_s)
        assert total.source.n_clips == whole.source.n_clips


def test_random_rows_are_matched_as_a_dictionary_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 25)
    chance = random.Random(7)
    source = random_rows(60, seed=11)
    old = [one for one in source if chance.random() < 0.9]
    new = [one for one in changed_rows(source, 2) if chance.random() < 0.9]
    found = compared(tmp_path, old, new)
    chosen = [{(one["clip_id"], one["part_index"]): one for one in rows if one["is_chosen_track"]} for rows in (old, new)]
    moves = Counter(
        chosen[1][key]["offset_frames"] - chosen[0][key]["offset_frames"]
        for key in chosen[0].keys() & chosen[1].keys()
        if not any(side[key].get("failure") or side[key].get("offset_frames") is None for side in chosen)
    )
    parts = [{(one["clip_id"], one["part_index"]) for one in rows} for rows in (old, new)]
    assert found.offsets.counts == moves
    assert found.matching.n_rows == len(parts[0] & parts[1])
    assert found.matching.only_old.n_rows == len(parts[0] - parts[1])
    assert found.matching.only_new.n_clips == len({clip for clip, _ in parts[1]} - {clip for clip, _ in parts[0]})


def test_columns_that_an_older_manifest_lacks_are_not_measured(tmp_path: Path) -> None:
    old, new = write_manifest(tmp_path / "old.parquet", [row("a")]), write_manifest(tmp_path / "new.parquet", [row("a")])
    pq.write_table(pq.read_table(old).drop_columns(["n_parts", "offscreen_ratio", "dataset"]), old)
    found = compare(old, new)
    assert (found.offscreen.n, found.p.n, found.matching.n_rows) == (0, 1, 1)
    assert (found.lost_to, found.gained_from, found.datasets[0].name) == ({}, {"measured": 1}, "talks")


def test_rows_out_of_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"new.parquet are not sorted by clip_id"):
        compared(tmp_path, [row("a")], [row("b"), row("a")], changes=tmp_path / "changes.csv")
    assert not (tmp_path / "changes.csv").exists()
