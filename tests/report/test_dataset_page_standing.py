from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from syncqc.report.dataset_page_standing import labels_of, standings
from syncqc.report.gathered import Cells, Dataset, Gathered

sys.path.insert(0, str(Path(__file__).parent))

from made_gathered import SLIDERS, made_gathered

P, OFFSCREEN, OFFSET, SPEECH = 0, 1, 2, 3
MEETS_ALL = (19, 17, 7, 21)
"""Above the places of the defaults of p (18) and offscreen (16), and every limit of the others."""


def gathered_of(rows: list[tuple[int, dict[int, int], float]], failures: dict[str, int] | None = None, **more: object) -> Gathered:
    """Of rows (dataset, levels that differ from `MEETS_ALL`, seconds)."""
    levels = tuple(tuple(changed.get(slider, MEETS_ALL[slider]) for _, changed, _ in rows) for slider in range(len(SLIDERS)))
    n = len(rows)
    cells = Cells(SLIDERS, (), tuple(row[0] for row in rows), levels, (0,) * n, (1,) * n, tuple(row[2] for row in rows), ((0,),), (1,), 1)
    datasets = tuple(
        Dataset(name, "m.parquet", 10, 10, 5, 1, sum(row[2] for row in rows if row[0] == number), failures or {})
        for number, name in enumerate(("a", "b"))
    )
    return replace(made_gathered(n_rows=1), cells=replace(cells, **more), datasets=datasets)  # type: ignore[arg-type]


def test_shares_of_time_under_the_default_thresholds() -> None:
    a, b = standings(
        gathered_of(
            [
                (0, {}, 5.0),
                (0, {P: 18}, 2.0),  # 18 limits met: the one at place 18 is not
                (0, {P: 18, OFFSCREEN: 16}, 1.0),
                (0, {OFFSET: 5}, 2.0),  # does not meet the sixth limit, 1 image
                (1, {}, 3.0),
            ],
            {"silent": 2, "no_face": 1},
        )
    )
    assert (a.kept_share, a.below_p_share, a.offscreen_share) == pytest.approx((0.7, 0.3, 0.1))
    assert (a.shifted_share, a.in_time_share, a.failed_share) == pytest.approx((2 / 7, 0.5, 0.3))
    assert a.main_failure == "the sound is digital silence"
    assert (b.kept_share, b.shifted_share) == (1.0, 0.0)


def test_time_that_several_cells_cover_together_counts_once_and_stays_with_any_of_them() -> None:
    a, _ = standings(gathered_of([(0, {}, 1.0), (0, {P: 0}, 1.0), (1, {}, 1.0)], shared=((0, 1),), shared_s=(2.0,)))
    assert (a.kept_share, a.below_p_share) == pytest.approx((3 / 4, 1 / 4))


def test_what_is_early_or_late_in_a_manifest_that_resync_wrote_is_not_known() -> None:
    found = gathered_of([(0, {OFFSET: 5}, 5.0), (1, {}, 1.0)])
    made_by = replace(found.sources[0], made_by={"resync": "dry_run = false"})
    a, _ = standings(replace(found, sources=(made_by,)))
    assert (a.kept_share, a.shifted_share, a.in_time_share) == (1.0, None, None)


def test_a_dataset_without_time_has_no_shares() -> None:
    a, b = standings(gathered_of([(1, {}, 1.0)]))
    assert (a.kept_share, a.below_p_share, a.shifted_share) == (None, None, None)
    assert b.kept_share == 1.0


def test_datasets_of_one_name_are_told_apart_by_their_manifests() -> None:
    found = made_gathered(("x", "x", "y"))
    datasets = tuple(replace(one, manifest=f"{number}.parquet") for number, one in enumerate(found.datasets))
    assert labels_of(replace(found, datasets=datasets)) == ("x, 0.parquet", "x, 1.parquet", "y")


def test_labels_are_short_of_one_line_and_no_two_alike() -> None:
    found = made_gathered(("a\u202eb\nc", "x" * 90, "x" * 91, "\t"))
    assert labels_of(found) == ("a b c", f"{'x' * 16}…{'x' * 31} (1)", f"{'x' * 16}…{'x' * 31} (2)", "no name")
