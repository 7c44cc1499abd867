"""Our own filter, applied to ourselves: the offsets of the training clips measured by an earlier network, the bad ones left out.

Clips in the wild are late, dubbed or show somebody who listens; a network trained on them uncorrected learns less. Knows
caches and networks, no files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from syncqc.clock import offset_of_shift
from syncqc.measure.similarity import mean_curve, similarity_matrix, validity
from syncqc.media.mel import MelFrontEnd
from syncqc.nets.ic_syncnet import IcSyncNet
from syncqc.train.cache import CropCache, Entry
from syncqc.train.validate import embed_track

F64 = npt.NDArray[np.float64]
Key = tuple[str, int, int]


@dataclass(frozen=True)
class CleanSettings:
    """When a measured offset is believed."""

    w: int = 12
    long_windows: int = 58
    """Clips with fewer windows in all take the offset of their source. 2.5 s: a part of a clip that was cut is never shorter."""
    min_margin: float = 0.5
    """Least margin of a track at its clip's offset, in units of the network's tau."""
    tolerance_images: int = 1
    """A long track whose own best shift is farther from its clip's is left out."""
    min_images: int = 15
    """Shorter tracks are not measured, and left out."""


@dataclass(frozen=True)
class Cleaned:
    """What is to be done with one track."""

    offset_frames: int
    weight: float
    """1 to train on it, 0 to leave it out."""
    reason: str


@dataclass(frozen=True, eq=False)
class _Measured:
    """A track with its mean cosines."""

    entry: Entry
    curve: F64
    """(2 w + 1,), the median taken off; 0 where a shift does not count."""
    n: int
    """Windows, 0 where no shift counts."""

    @property
    def standing_out(self) -> float:
        """How far the best shift stands out, in units that fall with the noise of a mean."""
        return float(self.curve.max() * np.sqrt(self.n))

    def overlaps(self, other: _Measured) -> bool:
        """Whether both faces are to be seen at the same time, if they are of one clip."""
        one, two = self.entry, other.entry
        return one.first_image < two.first_image + two.n_images and two.first_image < one.first_image + one.n_images


def clean(network: IcSyncNet, caches: Sequence[CropCache], mel: MelFrontEnd, settings: CleanSettings) -> dict[Key, Cleaned]:
    """The offset and weight of every track of the caches, by (clip_id, part_index, track_index).

    A clip has one offset: where the curves of its tracks together are highest, for a short clip those of its whole source.
    Of faces that are to be seen at the same time the one that is best in sync is kept. Clips of different caches must not
    have the same name.
    """
    result: dict[Key, Cleaned] = {}
    measured = []
    for cache in caches:
        for entry in cache.entries:
            if entry.n_images < settings.min_images:
                result[_key(entry)] = Cleaned(0, 0.0, "the track is too short to be measured")
            else:
                measured.append(_Measured(entry, *_curve(network, cache, entry, mel, settings.w)))
    by_source, by_clip = defaultdict[str, list[_Measured]](list), defaultdict[str, list[_Measured]](list)
    for one in _best_at_a_time(measured):
        by_source[one.entry.source].append(one)
        by_clip[one.entry.clip_id].append(one)
    for tracks in by_clip.values():
        is_long = sum(one.n for one in tracks) >= settings.long_windows
        shift = _peak(tracks if is_long else by_source[tracks[0].entry.source])
        for one in tracks:
            result[_key(one.entry)] = _judge(one, shift, network.tau, settings)
    for one in measured:
        result.setdefault(_key(one.entry), Cleaned(0, 0.0, "another face of the part is better in sync"))
    return result


def _key(entry: Entry) -> Key:
    return entry.clip_id, entry.part_index, entry.track_index


def _curve(network: IcSyncNet, cache: CropCache, entry: Entry, mel: MelFrontEnd, w: int) -> tuple[F64, int]:
    """Mean cosine per shift with the median taken off, 0 where a shift does not count; and the number of windows, 0 if none does."""
    video, audio, valid = embed_track(network, cache, entry, mel, w)
    curve = mean_curve(similarity_matrix(video, audio), validity(valid, w))
    if np.isnan(curve).all():
        return np.zeros(2 * w + 1), 0
    return np.nan_to_num(curve - np.nanmedian(curve)), len(video)


def _best_at_a_time(measured: Sequence[_Measured]) -> list[_Measured]:
    """The tracks of which none overlaps a better one."""
    chosen: dict[tuple[str, int], list[_Measured]] = defaultdict(list)
    for one in sorted(measured, key=lambda one: -one.standing_out):
        beside = chosen[one.entry.clip_id, one.entry.part_index]
        if not any(one.overlaps(better) for better in beside):
            beside.append(one)
    return [one for tracks in chosen.values() for one in tracks]


def _peak(tracks: Sequence[_Measured]) -> int:
    """The shift at which the curves together are highest, each weighted by its windows."""
    return int(np.sum([one.curve * one.n for one in tracks], axis=0).argmax())


def _judge(one: _Measured, shift: int, tau: float, settings: CleanSettings) -> Cleaned:
    """What is to be done with the track if its sound is off by `shift`."""
    offset = offset_of_shift(shift, settings.w)
    near = one.curve[max(0, shift - settings.tolerance_images) : shift + settings.tolerance_images + 1]
    if one.n == 0:
        return Cleaned(offset, 0.0, "no sound")
    if shift in (0, 2 * settings.w):
        return Cleaned(offset, 0.0, "the offset is at the edge of the search")
    if float(near.max()) < settings.min_margin * tau:
        return Cleaned(offset, 0.0, "the lips do not tell the offset")
    if one.n >= settings.long_windows and abs(int(one.curve.argmax()) - shift) > settings.tolerance_images:
        return Cleaned(offset, 0.0, "the part disagrees with its clip")
    return Cleaned(offset, 1.0, "kept")
