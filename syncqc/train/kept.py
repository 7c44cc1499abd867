"""What ``syncqc filter``'s thresholds would keep, of true and of other sound, as a function of length.

An AUC says how well a probability orders; this says how much foreign sound gets through, and how much true sound is lost. Knows
stretches and thresholds; no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncqc.manifest.select import Thresholds
from syncqc.measure.sync import Sync
from syncqc.train.intervals import mean, mean_interval95
from syncqc.train.reliability import Table, in_words
from syncqc.train.stretches import EvalSettings, Measuring, TrackMatrices, stretches
from syncqc.train.told_apart import AGAINST, Others

KINDS: dict[str, Others] = {"true_sound": lambda stretch: [stretch.own], **AGAINST}


def section(
    tracks: Sequence[TrackMatrices], measuring: Measuring, settings: EvalSettings, thresholds: Thresholds | None = None
) -> dict[str, Any]:
    """The shares kept per kind of sound and length, JSON-able; the last length is that of whole rows.

    ``{"p": 0.9, "offscreen": 0.2, "shares": {kind: [{"duration_s": 3.0 or None, "kept": share or None, "interval95": ..., "n": ...}]}}``.
    """
    thresholds = thresholds or Thresholds()
    by_length = [(duration, stretches(tracks, duration, measuring)) for duration in (*settings.durations_s, None)]
    shares: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for duration, cut in by_length:
        for kind, sounds in KINDS.items():
            judged = [(float(_is_kept(sync, thresholds)), stretch.speaker) for stretch in cut for sync in sounds(stretch)]
            kept, speakers = [value for value, _ in judged], [who for _, who in judged]
            interval = mean_interval95(kept, speakers)
            shares[kind].append({"duration_s": duration, "kept": mean(kept), "interval95": interval, "n": len(kept)})
    return {"p": thresholds.p, "offscreen": thresholds.offscreen, "shares": shares}


def _is_kept(sync: Sync, thresholds: Thresholds) -> bool:
    numbers = {"probability_at_offset": sync.probability_at_offset, "offscreen_ratio": sync.offscreen_ratio}
    return thresholds.is_good({"is_chosen_track": True, **numbers})


def table(found: dict[str, Any]) -> list[Table]:
    """The section as one table of text: a line per length, a column per kind of sound."""
    shares = found["shares"]
    header = ["length", *(kind.replace("_", " ") for kind in shares)]
    rows = [
        ["whole rows" if lines[0]["duration_s"] is None else f"{lines[0]['duration_s']:g} s"]
        + [in_words(one["kept"], one["interval95"]) for one in lines]
        for lines in zip(*shares.values(), strict=True)
        if lines[0]["n"]
    ]
    return [(f"share with p >= {found['p']:g} and offscreen <= {found['offscreen']:g}", header, rows)]
