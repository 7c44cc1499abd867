"""The temperature and the map to `probability_in_sync`, fitted on speakers the network never saw, and how far they can be trusted.

Positives are stretches with their own sound, moved or not; negatives have the speech of another speaker: as many of both. Half of
them are whole rows as ``syncqc score`` cuts them, the others are shorter, as rows are where a face comes and goes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from syncqc.clock import IMAGE_RATE_HZ, WINDOW_IMAGES
from syncqc.errors import UsageError
from syncqc.measure.calibration import Calibration, features, fit
from syncqc.measure.probability import sigmoid
from syncqc.measure.sync import Sync
from syncqc.train.reliability import Reliability, Said, reliability
from syncqc.train.stretches import Measuring, Stretch, TrackMatrices, stretches

F64 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Labelled = tuple[str, Sync, bool]
"""Speaker, numbers, whether sound and lips belong together."""

N_FOLDS = 5
SHORT_S = (1.0, 2.0)
_SHORTER = 0.7
"""A row gives a shorter stretch where that is at most so much of it."""


def labelled(tracks: Sequence[TrackMatrices], measuring: Measuring) -> list[Labelled]:
    """As many positives as negatives, for each speaker: two of each from a whole row, one of each from a shorter stretch of it."""
    found: list[Labelled] = []
    for turn, track in enumerate(tracks):
        for row in stretches([track], None, measuring):
            found += _pairs(row, 2, turn)
            for i, duration_s in enumerate(SHORT_S):
                if duration_s <= _SHORTER * row.duration_s:
                    short = stretches([track], duration_s, measuring)
                    found += _pairs(short[turn % len(short)], 1, turn + i) if short else []
    return found


def _pairs(stretch: Stretch, most: int, turn: int) -> list[Labelled]:
    """Up to `most` positives and as many negatives; whether the own or a moved sound comes first, and which, goes by turns."""
    moved = _turned(list(stretch.moved.values()), turn // 2)
    positives = _turned([stretch.own, *moved[:1]], turn)
    n = min(most, len(stretch.foreign), len(positives))
    negatives = _turned(stretch.foreign, turn)
    return [(stretch.speaker, sync, True) for sync in positives[:n]] + [(stretch.speaker, sync, False) for sync in negatives[:n]]


def _turned(items: list[Sync], turn: int) -> list[Sync]:
    at = turn % max(1, len(items))
    return items[at:] + items[:at]


def row_tau(items: Sequence[Labelled], tau: float) -> float:
    """The temperature at which `probability_at_offset` fits own and foreign sound best, both weighing one half.

    The temperature a network learns speaks of single windows; the mean of many windows says far more than one, so that with the
    learnt one even the best rows stay far from the 0.9 that filters ask for. `tau` is the one the items were measured with.

    Raises:
        UsageError: nobody has both own and foreign sound.
    """
    _refuse_few(items, 1)
    truth = _truth(items)
    probabilities = np.clip([sync.probability_at_offset for _, sync, _ in items], 1e-12, 1 - 1e-12)
    cosines = (np.log(probabilities) - np.log1p(-probabilities)) * tau
    signed = np.where(truth, cosines, -cosines)
    weights = np.where(truth, 1 / truth.sum(), 1 / (~truth).sum())
    candidates = np.geomspace(0.005, 0.5, 200)
    losses = [float((weights * np.logaddexp(0, -signed / candidate)).sum()) for candidate in candidates]
    return float(candidates[int(np.argmin(losses))])


def calibrate(items: Sequence[Labelled]) -> Calibration:
    """The map fitted on all speakers.

    Raises:
        UsageError: nobody has both own and foreign sound.
    """
    _refuse_few(items, 1)
    return fit(features([sync for _, sync, _ in items]), _truth(items))


def cross_validated(items: Sequence[Labelled], n_folds: int = N_FOLDS) -> Reliability:
    """The reliability of such a map, each speaker judged by one that was fitted without them.

    Raises:
        UsageError: there are fewer speakers than folds.
    """
    return reliability(said_cross_validated(items, n_folds))


def said_cross_validated(items: Sequence[Labelled], n_folds: int = N_FOLDS) -> Said:
    """What such a map says of each item, fitted without the item's speaker.

    Raises:
        UsageError: there are fewer speakers than folds.
    """
    _refuse_few(items, n_folds)
    lines, truth = features([sync for _, sync, _ in items]), _truth(items)
    probabilities = np.zeros(len(items))
    which = folds([speaker for speaker, _, _ in items], n_folds)
    for fold in range(n_folds):
        is_left_out = which == fold
        one = fit(lines[~is_left_out], truth[~is_left_out])
        probabilities[is_left_out] = sigmoid(lines[is_left_out] @ np.array(one.weights) + one.bias)
    return _said(probabilities, items)


def folds(speakers: Sequence[str], n_folds: int = N_FOLDS) -> Ints:
    """Which fold each item is left out in, (n,): all of a speaker in one."""
    _, which = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    return which % n_folds


def judged(calibration: Calibration, items: Sequence[Labelled]) -> Reliability:
    """The reliability of a map that is there already, on speakers it never saw.

    Raises:
        UsageError: nobody has both own and foreign sound.
    """
    _refuse_few(items, 1)
    return reliability(said(calibration, items))


def said(calibration: Calibration, items: Sequence[Labelled]) -> Said:
    """What a map that is there already says of each item."""
    return _said(np.array([calibration.probability_in_sync(sync) for _, sync, _ in items]), items)


def _said(probabilities: F64, items: Sequence[Labelled]) -> Said:
    durations_s = np.array([(len(sync.window_probability) + WINDOW_IMAGES - 1) / IMAGE_RATE_HZ for _, sync, _ in items])
    return Said(probabilities, _truth(items), durations_s, [speaker for speaker, _, _ in items])


def _refuse_few(items: Sequence[Labelled], least: int) -> None:
    n = len({speaker for speaker, _, _ in items})
    if n < least:
        raise UsageError(
            f"a calibration over {least} groups of speakers needs as many speakers with usable stretches, "
            f"each beside the sound of another one; here there {'is' if n == 1 else 'are'} {n}"
        )


def _truth(items: Sequence[Labelled]) -> Bools:
    return np.array([is_own for _, _, is_own in items], np.bool_)
