"""The field's protocol on matrices small enough to be judged by hand, and against a plain retelling of the published loop."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.measure.settings import MeasureSettings
from syncqc.train.protocol import ClipFigures, Judged, ProtocolName, cells, clip_figures, judge, means, protocol_figures
from syncqc.train.stretches import EvalSettings, Measuring
from syncqc.train.whole_clips import WholeClip

SETTINGS = EvalSettings()
NO, YES = False, True


def clip(
    cosines: list[list[float]] | np.ndarray,
    has_sound: list[list[bool]] | None = None,
    *,
    silence: list[float] | None = None,
    heard: int | None = None,
    speaker: str = "anna",
    source: str = "",
    unseen: tuple[int, ...] = (),
) -> WholeClip:
    matrix = np.array(cosines, np.float32)
    n = matrix.shape[1]
    is_seen = np.ones(n, np.bool_)
    is_seen[list(unseen)] = False
    matrix[:, ~is_seen] = np.nan
    return WholeClip(
        clip_id="a", speaker=speaker, source=source, cosines=matrix,
        has_sound=np.ones(matrix.shape, np.bool_) if has_sound is None else np.array(has_sound),
        is_seen=is_seen, with_silence=np.where(is_seen, silence if silence is not None else -1.0, np.nan).astype(np.float32),
        n_images=n + 4, n_heard_images=n + 4 if heard is None else heard,
    )  # fmt: skip


def measuring(w: int) -> Measuring:
    return Measuring(0.1, w, MeasureSettings(min_windows=1))


def asked(whole: WholeClip, name: ProtocolName, k: int, tolerance: int = 0, shift: int | None = None) -> Judged:
    taken = means(cells(whole, name), k, is_truncated=name == "vocalist")
    return judge(taken, len(whole.cosines) // 2 if shift is None else shift, tolerance)


FOUR = clip(
    [[0.1, 0.9, 0.1, 0.1], [0.5, 0.5, 0.6, 0.2], [0.2, 0.2, 0.8, 0.1]],
    [[NO, YES, YES, YES], [YES, YES, YES, YES], [YES, YES, YES, NO]],
)
"""Three shifts, four windows; the sound begins and ends with the pictures."""


def test_strict_judges_all_windows() -> None:
    # Best shifts: 1 of {1, 2}, 0 of three, 2 of three, 1 of {0, 1}.
    assert asked(FOUR, "strict", 5) == Judged(4, 2, pytest.approx(1 / 2 + 1 / 3 + 1 / 3 + 1 / 2))


def test_strict_means_are_of_exactly_k_minus_4_windows_and_of_shifts_that_all_of_them_have() -> None:
    # Windows 0-2: shift 0 lacks window 0; 1.6 / 3 beats 1.2 / 3. Windows 1-3: shift 2 lacks window 3; 1.3 / 3 beats 1.1 / 3.
    assert asked(FOUR, "strict", 7) == Judged(2, 2, pytest.approx(1 / 2 + 1 / 2))
    assert asked(FOUR, "strict", 9) == Judged(0, 0, 0.0)


def test_vocalist_leaves_the_last_window_out_and_its_sound_as_well() -> None:
    # Windows 0-2 with the sounds 0-2: {1, 2} -> 1, {0, 1, 2} -> 0, {0, 1} -> 1.
    assert asked(FOUR, "vocalist", 5) == Judged(3, 2, pytest.approx(1 / 2 + 1 / 3 + 1 / 2))


def test_vocalist_means_at_the_ends_are_of_the_windows_there_are() -> None:
    # Windows 0-1: 0.5 against 0.2 of shift 2. Windows 0-2: shift 1 alone has all. Windows 1-2: 0.55 against 0.5 of shift 0.
    assert asked(FOUR, "vocalist", 7) == Judged(3, 3, pytest.approx(1 / 2 + 1 + 1 / 2))
    # Five windows about each of three: always all three, which shift 1 alone has.
    assert asked(FOUR, "vocalist", 9) == Judged(3, 3, pytest.approx(3.0))


def test_vocalist_ends_with_the_shorter_of_picture_and_sound() -> None:
    assert cells(clip(np.zeros((3, 9)), heard=10), "vocalist").cosines.shape == (3, 5)
    assert cells(clip(np.zeros((3, 9)), heard=99), "vocalist").cosines.shape == (3, 8)
    assert cells(clip(np.zeros((3, 9)), heard=3), "vocalist").cosines.shape == (3, 0)


def test_vocalist_keeps_silence_in_play_beyond_the_end_of_a_short_clip() -> None:
    # Five shifts, windows 0-2 of four. Shift 4 of window 1 would be sound 3: silence, and the best. Window 2 is not among the first two.
    whole = clip(np.full((5, 4), 0.1) + 0.2 * np.eye(5)[2][:, None], silence=[0.9, 0.8, 0.7, 0.6])
    taken = cells(whole, "vocalist")
    assert taken.is_candidate.T.tolist() == [[NO, NO, YES, YES, YES], [NO, YES, YES, YES, YES], [YES, YES, YES, NO, NO]]
    assert taken.cosines.argmax(axis=0).tolist() == [2, 4, 2]
    assert taken.cosines[4, 1] == pytest.approx(0.8)
    assert asked(whole, "vocalist", 5) == Judged(3, 2, pytest.approx(1 / 3 + 1 / 4 + 1 / 3))


@pytest.mark.parametrize(("n", "in_play"), [(31, 0), (30, 0), (29, 1), (20, 55), (16, 105), (10, 105), (1, 15)])
def test_silence_is_in_play_in_clips_of_under_30_windows(n: int, in_play: int) -> None:
    # n windows: window i < 15 has the shifts beyond n - 1, that is max(0, i + 15 - (n - 1)) of them.
    assert in_play == sum(max(0, i + 15 - (n - 1)) for i in range(min(n, 15)))
    whole = clip(np.zeros((31, n + 1)), silence=[0.5] * (n + 1))
    taken = cells(whole, "vocalist")
    assert ((taken.cosines == 0.5) & taken.is_candidate).sum() == in_play


def published_loop(scores: np.ndarray, silence: np.ndarray, n: int, k: int, w: int = 15) -> list[int]:
    """Best shifts as the field's code finds them: excluded shifts are -1000, means are truncated at the ends."""
    lines = []
    for i in range(n):
        line = [float(scores[s, i]) if i + s - w < n else float(silence[i]) for s in range(2 * w + 1)]
        if i < w:
            line[: w - i] = [-1000.0] * (w - i)
        elif i >= n - w:
            line[w + n - i :] = [-1000.0] * (2 * w + 1 - (w + n - i))
        lines.append(line)
    half = (k - 5) // 2
    return [int(np.mean(lines[max(0, i - half) : i + half + 1], axis=0).argmax()) for i in range(n)]


@given(st.integers(1, 70), st.sampled_from(SETTINGS.k), st.integers(0, 2**32 - 1))
def test_vocalist_is_the_published_loop(n: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = clip(rng.uniform(-1, 1, (31, n + 1)), silence=rng.uniform(-1, 1, n + 1).tolist())
    taken = means(cells(whole, "vocalist"), k, is_truncated=True)
    best = np.where(taken.is_candidate, taken.cosines, -np.inf).argmax(axis=0)
    assert best.tolist() == published_loop(whole.cosines, whole.with_silence, n, k)
    assert judge(taken, 15, 1).n == n


def test_chance_is_3_of_31_away_from_the_ends_and_more_at_them() -> None:
    whole = clip(np.zeros((31, 100)))
    assert asked(whole, "strict", 5, tolerance=1).n_right_by_chance == pytest.approx(100 * 3 / 31)
    ends = asked(whole, "vocalist", 5, tolerance=1)
    first = sum((2 if j == 0 else 3) / (16 + j) for j in range(15))
    assert ends.n == 99
    assert ends.n_right_by_chance == pytest.approx(2 * first + 69 * 3 / 31)


def test_a_window_that_is_not_seen_is_not_judged_and_breaks_the_strict_means_only() -> None:
    whole = clip([[0.0] * 7, [0.5] * 7, [0.0] * 7], unseen=(3,))
    assert asked(whole, "strict", 5).n == 6
    assert asked(whole, "strict", 7).n == 2
    assert asked(clip([[0.0] * 8, [0.5] * 8, [0.0] * 8], unseen=(3,)), "vocalist", 7).n == 6


def test_a_place_where_the_truth_has_no_sound_is_not_judged() -> None:
    whole = clip([[0.0] * 3, [0.5] * 3, [0.0] * 3], [[YES] * 3, [YES, YES, NO], [YES, NO, NO]])
    assert asked(whole, "strict", 5).n == 2
    assert asked(whole, "strict", 5, shift=2).n == 1


@pytest.mark.parametrize("name", ["strict", "vocalist"])
@pytest.mark.parametrize(("zero", "around_zero"), [(0, 0.0), (4, 1.0)], ids=["not in time", "the network's own zero"])
def test_a_clip_with_an_offset_is_right_around_its_own(name: ProtocolName, zero: int, around_zero: float) -> None:
    matrix = np.zeros((31, 60))
    matrix[15 - 4] = 0.4  # The sound comes four images early.
    found = clip_figures(clip(matrix), name, measuring(15), SETTINGS, zero)
    assert found.own_offset_frames == 4 - zero
    for k in SETTINGS.k:
        own, at_zero = found.judged["around_own_offset"][k], found.judged["around_zero"][k]
        assert own.n_right / own.n == 1.0
        if name == "strict":
            assert at_zero.n_right / at_zero.n == around_zero
    assert found.n_windows == (60 if name == "strict" else 59)


def test_a_clip_with_too_little_sound_for_an_offset_is_judged_around_zero_only() -> None:
    found = clip_figures(clip(np.zeros((31, 20))), "strict", Measuring(0.1, 15, MeasureSettings(min_windows=21)), SETTINGS, 0)
    assert found.own_offset_frames is None
    assert found.judged["around_own_offset"] == {}
    assert found.judged["around_zero"][5].n == 20


@pytest.mark.parametrize("name", ["strict", "vocalist"])
def test_a_clip_without_a_window_to_judge_is_no_error(name: ProtocolName) -> None:
    found = clip_figures(clip(np.zeros((31, 1)), unseen=(0,)), name, measuring(15), SETTINGS, 0)
    assert sum(one.n for by_k in found.judged.values() for one in by_k.values()) == 0


def ridge(n: int, n_wrong: int, speaker: str, source: str = "") -> WholeClip:
    """Windows that are right around zero but for the first `n_wrong`, which point five images off."""
    matrix = np.zeros((31, n))
    matrix[15] = 0.5
    matrix[20, :n_wrong] = 0.9
    return clip(matrix, speaker=speaker, source=source)


def test_macro_is_over_clips_and_micro_over_windows() -> None:
    clips = [ridge(10, 5, "anna", "b"), ridge(30, 0, "anna", "b"), ridge(20, 5, "bert", "a"), ridge(20, 0, "", "")]
    told = protocol_figures(clips, "strict", measuring(15), SETTINGS, 0, {"no_face": 2})
    json.dumps(told)
    everything = told["all"]["around_zero"]["K=5"]  # type: ignore[index]
    assert everything["macro"] == pytest.approx((0.5 + 1 + 0.75 + 1) / 4)
    assert everything["micro"] == pytest.approx(70 / 80)
    assert (everything["n_clips"], everything["n_windows"]) == (4, 80)
    low, high = everything["macro_interval95"]
    assert 0.5 < low < everything["macro"] < high <= 1
    assert everything["micro_interval95"] == [pytest.approx(0.75, abs=0.08), 1.0]
    assert everything["chance_macro"] == everything["chance_micro"] == pytest.approx(3 / 31)
    assert [*told["by_source"]] == ["a", "b"]  # type: ignore[misc]
    assert [*told["by_speaker"]] == ["anna", "bert"]  # type: ignore[misc]
    anna = told["by_speaker"]["anna"]  # type: ignore[index]
    assert (anna["n_clips"], anna["n_windows"]) == (2, 40)
    assert anna["around_zero"]["K=5"] | {"chance_macro": 0, "chance_micro": 0} == {
        "n_clips": 2, "n_windows": 40, "macro": 0.75, "macro_interval95": None, "micro": 35 / 40, "micro_interval95": None,
        "chance_macro": 0, "chance_micro": 0,
    }  # fmt: skip
    assert told["clips_left_out"] == {"no_face": 2}
    assert told["all"]["own_offsets"] == {"0": 4}  # type: ignore[index]


def test_a_k_that_no_clip_is_long_enough_for_has_no_share() -> None:
    told = protocol_figures([ridge(5, 0, "anna")], "strict", measuring(15), SETTINGS, 0, {})
    cell = told["all"]["around_zero"]["K=15"]  # type: ignore[index]
    assert {cell[key] for key in ("macro", "micro", "macro_interval95", "chance_macro", "chance_micro")} == {None}
    assert (cell["n_clips"], cell["n_windows"]) == (0, 0)


def test_the_figures_of_a_clip_name_its_speaker_and_source() -> None:
    found = clip_figures(ridge(12, 0, "anna", "lrs2"), "strict", measuring(15), SETTINGS, 0)
    assert isinstance(found, ClipFigures)
    assert (found.speaker, found.source) == ("anna", "lrs2")
