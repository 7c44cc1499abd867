"""What a disturbance does to the numbers of rows, as figures: the same rows undisturbed and disturbed, paired.

Knows numbers of rows; nothing of how they were disturbed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from syncqc.manifest.select import Thresholds
from syncqc.measure.calibration import Calibration
from syncqc.measure.sync import Sync
from syncqc.train.intervals import Interval, auc, auc_interval95, drawn_interval95, mean, mean_interval95

F64 = npt.NDArray[np.float64]

GOOD = Thresholds()
FRONTAL_MAX_DEG, STRONG_MIN_DEG = 10.0, 25.0
"""As estimated from a detector's landmarks, which lean towards a frontal face: a head that people would call half turned reads 15."""
TURNS = ("frontal", "half", "strong")


@dataclass(frozen=True)
class Numbers:
    """What is said of one row: with its own sound, and with each foreign sound."""

    own: Sync | None
    """None where the row could not be measured."""
    foreign: list[Sync] = field(default_factory=list)
    failure: str | None = None
    """Why not."""


@dataclass(frozen=True)
class Pair:
    """One row undisturbed and disturbed."""

    speaker: str
    before: Numbers
    after: Numbers


@dataclass(frozen=True)
class TurnedRow:
    """One undisturbed row and how far its head is turned."""

    speaker: str
    yaw_deg: float
    numbers: Numbers
    halves: tuple[Sync, Sync] | None
    """The numbers of its first and its second half; None where one could not be measured."""


def effect(pairs: Sequence[Pair], calibration: Calibration | None, tolerance_images: int = 1) -> dict[str, object]:
    """The figures of one disturbance as JSON can hold them; null where there was nothing to judge. Shares are 0-1.

    `offset_agrees` speaks of the rows that were measured; `pass_share` of all rows, a lost one passing nothing.
    """
    both = [(pair.speaker, pair.before.own, pair.after.own) for pair in pairs if pair.before.own and pair.after.own]
    speakers = [speaker for speaker, _, _ in both]
    agrees = [float(abs(after.offset_frames - before.offset_frames) <= tolerance_images) for _, before, after in both]
    firm = [i for i, (_, before, _) in enumerate(both) if passes(before)]
    out: dict[str, object] = {
        "n_rows": len(pairs),
        "n_measured": len(both),
        "lost": dict(Counter(pair.after.failure or "unknown" for pair in pairs if pair.after.own is None).most_common()),
        "offset_agrees": mean(agrees),
        "offset_agrees_interval95": mean_interval95(agrees, speakers),
        "offset_agrees_of_passing": mean([agrees[i] for i in firm]),
        "n_passing_before": len(firm),
        "mean_offset_change_images": mean([after.offset_frames - before.offset_frames for _, before, after in _close(both)]),
    }
    for name, value in (
        ("probability_at_offset", lambda sync: sync.probability_at_offset),
        ("probability_in_sync", calibration.probability_in_sync if calibration else None),
    ):
        values = None if value is None else ([float(value(b)) for _, b, _ in both], [float(value(a)) for _, _, a in both])
        out |= _medians(name, values, speakers)
    passing = [(float(passes(pair.before.own)), float(passes(pair.after.own))) for pair in pairs]
    changes, everybody = [after - before for before, after in passing], [pair.speaker for pair in pairs]
    out |= {"pass_share_before": mean([before for before, _ in passing]), "pass_share": mean([after for _, after in passing])}
    out |= {"pass_share_change": mean(changes), "pass_share_change_interval95": mean_interval95(changes, everybody)}
    whole = [pair for pair in pairs if pair.before.own and pair.before.foreign and pair.after.own and pair.after.foreign]
    before = own_and_foreign([(pair.speaker, pair.before) for pair in whole])
    after = own_and_foreign([(pair.speaker, pair.after) for pair in whole])
    return out | {
        "foreign_auc_before": auc(*before[::2]),
        "foreign_auc": auc(*after[::2]),
        "foreign_auc_interval95": auc_interval95(*after),
    }


def head_turns(rows: Sequence[TurnedRow], calibration: Calibration | None, tolerance_images: int = 1) -> list[dict[str, object]]:
    """The figures of undisturbed rows by how far the head is turned; `halves_agree` asks whether both halves of a row have its offset."""
    out: list[dict[str, object]] = []
    for name in TURNS:
        group = [row for row in rows if turn_name(row.yaw_deg) == name]
        owns = [(row.speaker, row.numbers.own) for row in group if row.numbers.own]
        halves = [(row.speaker, row.halves) for row in group if row.halves]
        agrees = [float(abs(one.offset_frames - other.offset_frames) <= tolerance_images) for _, (one, other) in halves]
        passing = [float(passes(own)) for _, own in owns]
        sides = own_and_foreign([(row.speaker, row.numbers) for row in group])
        found: dict[str, object] = {
            "turn": name,
            "n_rows": len(group),
            "n_speakers": len({row.speaker for row in group}),
            "median_yaw_deg": _median([abs(row.yaw_deg) for row in group]),
            "halves_agree": mean(agrees),
            "halves_agree_interval95": mean_interval95(agrees, [speaker for speaker, _ in halves]),
            "median_probability_at_offset": _median([own.probability_at_offset for _, own in owns]),
            "median_probability_in_sync": _median([calibration.probability_in_sync(own) for _, own in owns]) if calibration else None,
            "pass_share": mean(passing),
            "pass_share_interval95": mean_interval95(passing, [speaker for speaker, _ in owns]),
            "foreign_auc": auc(*sides[::2]),
            "foreign_auc_interval95": auc_interval95(*sides),
        }
        out.append(found)
    return out


def turn_name(yaw_deg: float) -> str:
    """Which of the three groups so large a turn, to either side, belongs to."""
    return TURNS[int(abs(yaw_deg) >= FRONTAL_MAX_DEG) + int(abs(yaw_deg) >= STRONG_MIN_DEG)]


def passes(sync: Sync | None) -> bool:
    """Whether the row would be kept at the usual thresholds; a lost one is not."""
    return sync is not None and sync.probability_at_offset >= GOOD.p and sync.offscreen_ratio <= GOOD.offscreen


def kept_share(found: Mapping[str, object]) -> float:
    """Of all rows of an `effect`, the share that was measured and has the undisturbed offset."""
    agrees, n, measured = found["offset_agrees"], found["n_rows"], found["n_measured"]
    assert isinstance(n, int)
    assert isinstance(measured, int)
    return float(agrees) * measured / n if isinstance(agrees, float) and n else 0.0


def own_and_foreign(rows: Sequence[tuple[str, Numbers]]) -> tuple[list[float], list[str], list[float], list[str]]:
    """Probabilities at offset of rows with their own sound, their speakers, and the same with foreign sound, of rows that have both."""
    both = [(speaker, row.own, row.foreign) for speaker, row in rows if row.own and row.foreign]
    foreign = [(sync.probability_at_offset, speaker) for speaker, _, others in both for sync in others]
    own = [own.probability_at_offset for _, own, _ in both]
    return own, [speaker for speaker, _, _ in both], [value for value, _ in foreign], [speaker for _, speaker in foreign]


def median_change_interval95(before: Sequence[float], after: Sequence[float], speakers: Sequence[str]) -> Interval | None:
    """The range [low, high] of the change of the median in 95 % of draws of speakers, the same for both sides; None for fewer than two."""
    sides = np.array([before, after], np.float64)

    def change(weights: F64) -> float:
        drawn = np.repeat(sides, weights.astype(np.int64), axis=1)
        medians = np.median(drawn, axis=1)
        return float(medians[1] - medians[0])

    return drawn_interval95(change, speakers)


def _medians(name: str, values: tuple[list[float], list[float]] | None, speakers: Sequence[str]) -> dict[str, object]:
    keys = (f"median_{name}_before", f"median_{name}", f"median_{name}_change", f"median_{name}_change_interval95")
    if values is None or not values[0]:
        return dict.fromkeys(keys)
    before, after = (float(np.median(side)) for side in values)
    return dict(zip(keys, (before, after, after - before, median_change_interval95(*values, speakers)), strict=True))


def _close(both: Sequence[tuple[str, Sync, Sync]]) -> list[tuple[str, Sync, Sync]]:
    """Rows whose offset was not lost altogether: what a delay would move."""
    return [one for one in both if abs(one[2].offset_frames - one[1].offset_frames) <= 3]


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None
