"""How well a probability tells the true sound from others, as a function of length: the AUC, with its range over speakers.

The own sound at its own offset stands against

==============  ======================================================================================================
other speakers  what somebody else said
same speaker    what the same person said in another part of the clip, or in another clip
turned          the own sound turned round by half the part: the same words and voice, out of reach of the search
wrong shifts    the own sound 5 and 10 images beside its offset (without the search that finds the best shift for foreign sound)
==============  ======================================================================================================

Moved sound counts as own: an offset is no fault. Knows stretches and a map; no file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from syncqc.measure.calibration import Calibration
from syncqc.measure.sync import Sync
from syncqc.train.intervals import auc, auc_interval95
from syncqc.train.reliability import Table, in_words
from syncqc.train.stretches import EvalSettings, Measuring, Stretch, TrackMatrices, stretches

Others = Callable[[Stretch], Sequence[Sync]]
AGAINST: dict[str, Others] = {
    "other_speakers": lambda stretch: stretch.foreign,
    "same_speaker": lambda stretch: stretch.same_speaker,
    "turned": lambda stretch: [] if stretch.turned is None else [stretch.turned],
}
WRONG = "wrong_shifts"


def section(
    tracks: Sequence[TrackMatrices], measuring: Measuring, settings: EvalSettings, calibration: Calibration | None
) -> dict[str, Any]:
    """AUC per probability, kind of other sound and length, JSON-able; the last length is that of whole rows.

    ``{probability: {kind: [{"duration_s": 3.0 or None, "auc": ..., "interval95": [low, high] or None, "n_own": ..., "n_other": ...,
    "n_speakers": ...}, ...]}}``; `probability_in_sync` is there where the checkpoint holds a calibration.
    """
    by_length = [(duration, stretches(tracks, duration, measuring)) for duration in (*settings.durations_s, None)]
    values: dict[str, Callable[[Sync], float]] = {"probability_at_offset": lambda sync: sync.probability_at_offset}
    if calibration is not None:
        values["probability_in_sync"] = calibration.probability_in_sync
    found: dict[str, Any] = {
        name: {kind: [_against(cut, duration, others, value) for duration, cut in by_length] for kind, others in AGAINST.items()}
        for name, value in values.items()
    }
    found["probability_at_offset"][WRONG] = [_against_wrong_shifts(cut, duration) for duration, cut in by_length]
    return found


def _against(cut: Sequence[Stretch], duration_s: float | None, others: Others, value: Callable[[Sync], float]) -> dict[str, Any]:
    both = [stretch for stretch in cut if others(stretch)]
    foreign = [(value(other), stretch.speaker) for stretch in both for other in others(stretch)]
    return _figure([(value(stretch.own), stretch.speaker) for stretch in both], foreign, duration_s)


def _against_wrong_shifts(cut: Sequence[Stretch], duration_s: float | None) -> dict[str, Any]:
    wrong = [(value, stretch.speaker) for stretch in cut for value in stretch.at_wrong_shifts]
    return _figure([(stretch.own.probability_at_offset, stretch.speaker) for stretch in cut], wrong, duration_s)


def _figure(own: list[tuple[float, str]], other: list[tuple[float, str]], duration_s: float | None) -> dict[str, Any]:
    sides = [value for value, _ in own], [who for _, who in own], [value for value, _ in other], [who for _, who in other]
    return {
        "duration_s": duration_s,
        "auc": auc(sides[0], sides[2]),
        "interval95": auc_interval95(*sides),
        "n_own": len(own),
        "n_other": len(other),
        "n_speakers": len({who for _, who in own}),
    }


def table(found: dict[str, Any]) -> list[Table]:
    """The section as one table of text per probability: a line per length, a column per kind."""
    tables: list[Table] = []
    for name, kinds in found.items():
        header = ["length", "stretches", *(kind.replace("_", " ") for kind in kinds)]
        rows = []
        for lines in zip(*kinds.values(), strict=True):
            if lines[0]["n_own"]:
                length = "whole rows" if lines[0]["duration_s"] is None else f"{lines[0]['duration_s']:g} s"
                rows.append([length, str(lines[0]["n_own"]), *(in_words(one["auc"], one["interval95"]) for one in lines)])
        tables.append((f"AUC of {name}: true sound against", header, rows))
    return tables
