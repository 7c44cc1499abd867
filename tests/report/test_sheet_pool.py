from __future__ import annotations

import sys
from pathlib import Path

import pytest

from syncqc.errors import UsageError
from syncqc.report import sheet_pool
from syncqc.report.sheet_pool import pools

sys.path.insert(0, str(Path(__file__).parent))

from made_sheets import manifest, row


def shown(path: Path, name: str, seed: int = 0) -> list[tuple[str, int]]:
    return [(one.clip_id, one.part_index) for one in pools([path], seed)[name].in_turn()]


def test_of_a_clip_the_row_that_comes_first_stands_for_it(tmp_path: Path) -> None:
    parts = [row("a", part_index=i, probability_at_offset=p) for i, p in enumerate((0.95, 0.99, 0.92))]
    path = manifest(tmp_path / "m.parquet", [*parts, row("b", probability_at_offset=0.97)])
    assert shown(path, "best") == [("a", 1), ("b", 0)]
    found = pools([path], 0)["best"]
    assert (found.n_rows, found.n_clips) == (4, 2)


def test_rows_that_were_not_measured_or_not_chosen_stand_nowhere(tmp_path: Path) -> None:
    rows = [
        row("a", failure="silent"),
        row("b", is_chosen_track=False),
        row("c", is_chosen_track=None),
        row("d", probability_at_offset=None),
    ]
    found = pools([manifest(tmp_path / "m.parquet", rows)], 0)
    assert {name: pool.n_rows for name, pool in found.items() if pool.n_rows} == {}


def test_datasets_are_taken_in_turn_and_of_each_its_speakers(tmp_path: Path) -> None:
    rows = [row(f"a{i}", speaker="one", probability_at_offset=0.99 - 0.001 * i) for i in range(4)]
    rows += [row("a8", speaker="two", probability_at_offset=0.95), row("b", dataset="beta", probability_at_offset=0.91)]
    rows += [row("c", dataset=None, speaker=None, probability_at_offset=0.92)]
    path = manifest(tmp_path / "m.parquet", rows)
    assert [clip for clip, _ in shown(path, "best")] == ["c", "a0", "b", "a8", "a1", "a2", "a3"]


def test_what_is_drawn_is_drawn_again_and_another_seed_draws_others(tmp_path: Path) -> None:
    rows = [row(f"{i:03d}", offset_frames=3) for i in range(300)]
    path = manifest(tmp_path / "m.parquet", rows)
    first = shown(path, "off")
    assert first == shown(path, "off")
    assert first[:20] != shown(path, "off", seed=1)[:20]
    # The draw goes by the clip's name: what is left of the rows is drawn in the same order.
    fewer = manifest(tmp_path / "fewer.parquet", rows[::2])
    drawn = [one for one in first if int(one[0]) % 2 == 0]
    assert shown(fewer, "off")[: len(drawn)] == drawn


def test_no_more_is_kept_than_can_be_shown_and_the_best_is_among_it(tmp_path: Path) -> None:
    n = 3 * sheet_pool._PER_DATASET
    rows = [row(f"{i:04d}", probability_at_offset=0.91 + 0.08 * ((i * 37) % n) / n) for i in range(n)]
    found = pools([manifest(tmp_path / "m.parquet", rows)], 0)["best"]
    expected = sorted(rows, key=lambda one: -one["probability_at_offset"])[: sheet_pool._PER_DATASET]
    assert [one.clip_id for one in found.in_turn()] == [one["clip_id"] for one in expected]
    assert found.n_clips == n


def test_a_clip_of_two_manifests_is_taken_once(tmp_path: Path) -> None:
    paths = [manifest(tmp_path / f"{name}.parquet", [row("a"), row(name)]) for name in ("x", "y")]
    assert sorted(one.clip_id for one in pools(paths, 0)["best"].in_turn()) == ["a", "x", "y"]


LOW = {"probability_at_offset": 0.3, "margin": 0.05}
DUBBED = {
    "two parts of two": ([LOW, LOW], True),
    "one part alone": ([LOW], False),
    "one part of two": ([LOW, {}], False),
    "a part without speech has no say": ([LOW, LOW, {"speech_ratio": 0.1}], True),
    "a part that was not measured has no say": ([LOW, LOW, {"failure": "silent"}], True),
}


@pytest.mark.parametrize(("parts", "is_one"), DUBBED.values(), ids=DUBBED.keys())
def test_a_dubbed_clip_is_so_in_all_its_talking_parts(tmp_path: Path, parts: list[dict[str, object]], is_one: bool) -> None:
    rows = [row("a", part_index=i, **part) for i, part in enumerate(parts)]
    assert bool(shown(manifest(tmp_path / "m.parquet", [*rows, row("b"), row("c", **LOW)]), "dubbed")) is is_one


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no manifest"):
        pools([tmp_path / "m.parquet"], 0)
