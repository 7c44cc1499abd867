"""The error of the offscreen ratio, on tracks whose sound is another speaker's for a known share of the windows.

Beside what ``syncqc score`` says, the paper's rules and a decision fitted on other speakers are judged on the same rows. Knows
matrices; no file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from syncqc.clock import WINDOW_IMAGES
from syncqc.errors import UsageError
from syncqc.measure.settings import MeasureSettings
from syncqc.measure.sync import EVEN
from syncqc.train.decision_fit import LEAST_SPEECH, ReplacedRow, cross_validated, over_shares, rows
from syncqc.train.intervals import auc, auc_interval95, drawn_interval95
from syncqc.train.reliability import Table, in_words
from syncqc.train.stretches import Measuring, TrackMatrices

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def section(tracks: Sequence[TrackMatrices], measuring: Measuring) -> dict[str, Any]:
    """Errors of the offscreen ratio, JSON-able, as the settings say, by the paper's rules, and by a decision fitted on other speakers here.

    ``{"n_tracks", "n_speakers", "least_speech", "as_scored": one, "paper": one, "cross_validated": one or None}``, each ``one`` as
    ``{"n", "mean_absolute_error", "interval95", "bias", "by_share": [{"share", and the same}, ...], "windows": {"precision", "recall",
    "auc", "interval95"}}``; None where nothing was judged, or for the last where there are too few speakers.
    """
    found = rows(tracks, measuring)
    paper = rows(tracks, replace(measuring, measures=replace(measuring.measures, onscreen_by="window")))
    try:
        crossed = _errors(found, cross_validated(found), lambda said: said >= EVEN)
    except UsageError:
        crossed = None
    threshold = measuring.measures.onscreen_threshold
    return {
        "n_tracks": sum(row.share == 0 for row in found),
        "n_speakers": len({row.speaker for row in found}),
        "least_speech": LEAST_SPEECH,
        "as_scored": _errors(found, [row.sync.onscreen_probability for row in found], _is_on(measuring.measures)),
        "paper": _errors(paper, [row.sync.onscreen_probability for row in paper], lambda said: said >= threshold),
        "cross_validated": crossed,
    }


def _is_on(measures: MeasureSettings) -> Callable[[F64], Bools]:
    least = measures.onscreen_threshold if measures.onscreen_by == "window" else EVEN
    return lambda said: said >= least


def _errors(found: Sequence[ReplacedRow], said: Sequence[F64], is_on: Callable[[F64], Bools]) -> dict[str, Any] | None:
    if not found:
        return None
    off = [~is_on(one)[row.is_measured] for row, one in zip(found, said, strict=True)]
    errors = np.array([one.mean() - row.true_ratio for row, one in zip(found, off, strict=True)])
    shares, speakers = np.array([row.share for row in found]), np.array([row.speaker for row in found])

    def figures(at: Bools) -> dict[str, Any]:
        ones = np.ones(int(at.sum()))
        return {
            "n": int(at.sum()),
            "mean_absolute_error": over_shares(np.abs(errors[at]), shares[at], ones),
            "interval95": drawn_interval95(lambda weights: over_shares(np.abs(errors[at]), shares[at], weights), speakers[at].tolist()),
            "bias": over_shares(errors[at], shares[at], ones),
        }

    by_share = [{"share": float(share), **figures(shares == share)} for share in np.unique(shares)]
    return {**figures(np.ones(len(found), np.bool_)), "by_share": by_share, "windows": _windows(found, said, off)}


def _windows(found: Sequence[ReplacedRow], said: Sequence[F64], off: Sequence[Bools]) -> dict[str, Any]:
    """How well windows are told, of all shares together; those that are replaced are to be found. The AUC is over every fifth window."""
    is_replaced = np.concatenate([row.is_replaced[row.is_measured] for row in found])
    speakers = np.concatenate([np.full(int(row.is_measured.sum()), row.speaker) for row in found])
    values = np.concatenate([one[row.is_measured] for row, one in zip(found, said, strict=True)])
    is_off = np.concatenate(list(off))
    hits = int((is_off & is_replaced).sum())
    apart = np.arange(len(values)) % WINDOW_IMAGES == 0
    own, other = apart & ~is_replaced, apart & is_replaced
    sides = values[own].tolist(), speakers[own].tolist(), values[other].tolist(), speakers[other].tolist()
    return {
        "precision": hits / int(is_off.sum()) if is_off.any() else None,
        "recall": hits / int(is_replaced.sum()) if is_replaced.any() else None,
        "auc": auc(sides[0], sides[2]),
        "interval95": auc_interval95(*sides),
    }


def table(found: Mapping[str, Any]) -> list[Table]:
    """The section as tables of text: the error per share, and how well windows are told."""
    names = {"as_scored": "as scored", "cross_validated": "fitted on other speakers", "paper": "the paper's rules"}
    known = {words: found[name] for name, words in names.items() if found[name] is not None}
    if not known:
        return []
    shares = [
        [f"{lines[0]['share']:g}", str(lines[0]["n"]), *(_error(one) for one in lines)]
        for lines in zip(*(one["by_share"] for one in known.values()), strict=True)
    ]
    total = ["mean", str(next(iter(known.values()))["n"]), *(_error(one) for one in known.values())]
    windows = [[words, *_told(one["windows"])] for words, one in known.items()]
    return [
        (
            "offscreen ratio: mean absolute error, and bias, per share of replaced sound",
            ["replaced", "rows", *known],
            [*shares, total],
        ),
        ("windows with another speaker's sound", ["decided", "precision", "recall", "AUC"], windows),
    ]


def _error(one: Mapping[str, Any]) -> str:
    return f"{in_words(one['mean_absolute_error'], one['interval95'])}, {one['bias']:+.3f}"


def _told(windows: Mapping[str, Any]) -> list[str]:
    return [in_words(windows["precision"]), in_words(windows["recall"]), in_words(windows["auc"], windows["interval95"])]
