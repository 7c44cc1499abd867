from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from syncqc.manifest.rules import ARTEFACTS, Rules
from syncqc.manifest.select import MAX_IN_TIME_FRAMES
from syncqc.report.cells_keys import DATASET_SHIFT, MOST_DATASETS, NAMES, marks_of, moved_by
from syncqc.report.cells_limits import BITS, BY_NAME, COARSENED_FIRST, THRESHOLDS, Ladder
from syncqc.report.gather_groups import MOST_GROUPS


def rungs(name: str) -> list[Ladder]:
    found = [Ladder.of(BY_NAME[name])]
    while (coarser := found[-1].coarser) is not None:
        found.append(coarser)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_coarser_limits_are_some_of_the_finer_ones_and_hold_the_default(name: str) -> None:
    for finer, coarser in zip(rungs(name), rungs(name)[1:], strict=False):
        assert set(coarser.limits) < set(finer.limits)
    default = getattr(Rules(), name)
    for ladder in rungs(name):
        assert 0 < len(ladder.limits) < 128
        assert default is None or ladder.limits[ladder.slider.default or 0] == default
        assert ladder.slider.can_be_off is (default is None)
        assert list(ladder.limits) == sorted(ladder.limits, reverse=ladder.slider.sign < 0)
        assert len({np.float32(limit) for limit in ladder.limits}) == len(ladder.limits)
        assert all(float(f"{limit:g}") == limit for limit in ladder.limits)


@pytest.mark.parametrize("name", NAMES)
def test_a_level_says_how_many_limits_the_filter_finds_met(name: str) -> None:
    ladder = Ladder.of(BY_NAME[name])
    is_offset = name == "max_offset"
    values = [*ladder.limits, None, -1, 31, 7] if is_offset else [*ladder.limits, None, 0.2000001, 0.8999999, 700.0, -1.0]
    column = pa.array(
        [value if value is None or not is_offset else int(value) for value in values], pa.int32() if is_offset else pa.float32()
    )
    levels = ladder.levels(ladder.rule.values(column))
    for place, limit in enumerate(ladder.limits):
        asked = {rule.name: rule for rule in Rules(**{name: limit}).in_order()}[name]
        assert (levels > place).tolist() == asked.met(column).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_level_moves_to_how_many_of_the_coarser_limits_are_met(name: str) -> None:
    finer, coarser = rungs(name)[0], rungs(name)[-1]
    values = np.linspace(0, 1, 301, dtype=np.float32) * np.float32(max(finer.limits))
    assert finer.levels_in(coarser)[finer.levels(values)].tolist() == coarser.levels(values).tolist()
    if finer.without is not None:
        assert set(finer.levels_in(finer.without)) == {0}
        assert finer.without.limits == ()


def test_all_that_the_filter_can_ask_of_a_row_has_a_slider_or_a_box() -> None:
    asked = {*NAMES, *(rule.name.removeprefix("artefacts: ") for rule in BITS)}
    rules = set(Rules.__dataclass_fields__)
    assert asked == rules - {"artefacts", "where", "keep_all_tracks", "per", "min_share"} | set(ARTEFACTS)
    assert sorted(COARSENED_FIRST) == sorted(NAMES)


def test_what_is_in_time_is_always_a_limit() -> None:
    assert all(MAX_IN_TIME_FRAMES in ladder.limits for ladder in rungs("max_offset"))


def test_a_number_holds_a_cell() -> None:
    keys = np.array([(2 << DATASET_SHIFT) + (5 << len(BITS)) + 3, 1])
    marks = marks_of(keys)
    assert (marks.dataset.tolist(), marks.bits.tolist()) == ([2, 0], [3, 1])
    assert marks.levels.tolist() == [[5, 0], *([[0, 0]] * (len(THRESHOLDS) - 1))]
    moved = marks_of(moved_by(NAMES[0], np.array([9, 0, 0, 0, 0, 1]))(keys))
    assert moved.levels[0].tolist() == [1, 9]
    assert (moved.dataset.tolist(), moved.bits.tolist()) == ([2, 0], [3, 1])
    assert MOST_DATASETS > MOST_GROUPS
