"""What a network reads on clips that are known to be in sync: its own zero.

A network learns the mean offset of the clips it was trained on; one trained on LRS2 reads LRS3 one image off. Knows matrices; no file.

Source: ModEFormer, §3.5.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from syncqc.errors import UsageError
from syncqc.train.intervals import Interval, median_interval95
from syncqc.train.stretches import Measuring, TrackMatrices

MOST_WIDE_IMAGES = 1
"""A wider interval does not settle which image is the zero."""


@dataclass(frozen=True)
class OwnZero:
    """The zero of a checkpoint, and how sure it is."""

    zero_offset_frames: int
    """The median, rounded to an image."""
    median_offset_frames: float
    """Over clips; of a clip, over its rows."""
    interval95: Interval
    n_clips: int
    n_speakers: int


def own_zero(tracks: Sequence[TrackMatrices], measuring: Measuring) -> OwnZero:
    """The median own offset over clips that are stated to be in sync, with its range over speakers.

    Raises:
        UsageError: fewer than two speakers, or the range is wider than one image.
    """
    offsets: dict[str, list[int]] = defaultdict(list)
    speakers: dict[str, str] = {}
    for track in tracks:
        found = measuring(track.own)
        if found is not None:
            offsets[track.clip_id].append(found.offset_frames)
            speakers[track.clip_id] = track.speaker
    of_clips = [float(np.median(values)) for values in offsets.values()]
    interval = median_interval95(of_clips, list(speakers.values()))
    if interval is None:
        raise UsageError("a zero needs clips in sync of at least two speakers")
    median = float(np.median(of_clips))
    if interval[1] - interval[0] > MOST_WIDE_IMAGES:
        raise UsageError(
            f"the zero is not settled: over {len(of_clips)} clips the median offset is {median:+g} images, "
            f"but between {interval[0]:+g} and {interval[1]:+g} in 95 % of draws of speakers; it must be known within one image"
        )
    return OwnZero(round(median), median, interval, len(of_clips), len(set(speakers.values())))
