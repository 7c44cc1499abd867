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
    long_windows: int = 60
    """Clips with fewer windows in all take the offset of their source."""
    min_margin: float = 0.5
    """Least margin of a track at its clip's offset, in units of the network's tau."""
    tolerance_images: int = 1
    """A long track whose own best shift is farther from its clip's is left out."""


@dataclass(frozen=True)
class Cleaned:
    """What is to be done with one track."""

    offset_frames: int
    weight: float
    reason: str


def clean(network: IcSyncNet, caches: Sequence[CropCache], mel: MelFrontEnd, settings: CleanSettings) -> dict[Key, Cleaned]:
    """The offset and weight of every track of the caches, by (clip_id, part_index, track_index)."""
    curves = [
        (entry, *_curve(network, cache, entry, mel, settings.w)) for cache in caches for entry in cache.entries if entry.n_images >= 15
    ]
    by_source: dict[str, list[tuple[Entry, F64, int]]] = defaultdict(list)
    by_clip: dict[str, list[tuple[Entry, F64, int]]] = defaultdict(list)
    for entry, curve, n in curves:
        by_source[entry.source].append((entry, curve, n))
    for chosen in _best_per_part(curves):
        by_clip[chosen[0].clip_id].append(chosen)
    source_shift = {source: _peak(tracks) for source, tracks in by_source.items()}
    result: dict[Key, Cleaned] = {}
    for tracks in by_clip.values():
        is_long = sum(n for _, _, n in tracks) >= settings.long_windows
        shift = _peak(tracks) if is_long else source_shift[tracks[0][0].source]
        for entry, curve, n in tracks:
            result[_key(entry)] = _judge(curve, n, shift, network.tau, settings)
    for entry, _, _ in curves:
        result.setdefault(_key(entry), Cleaned(0, 0.0, "another face of the part is better in sync"))
    return result


def _key(entry: Entry) -> Key:
    return entry.clip_id, entry.part_index, entry.track_index


def _curve(network: IcSyncNet, cache: CropCache, entry: Entry, mel: MelFrontEnd, w: int) -> tuple[F64, int]:
    """Mean cosine per shift with the median taken off, 0 where a shift does not count; and the number of windows."""
    video, audio, valid = embed_track(network, cache, entry, mel, w)
    curve = mean_curve(similarity_matrix(video, audio), validity(valid, w))
    if np.isnan(curve).all():
        return np.zeros(2 * w + 1), 0
    return np.nan_to_num(curve - np.nanmedian(curve)), len(video)


def _best_per_part(curves: Sequence[tuple[Entry, F64, int]]) -> list[tuple[Entry, F64, int]]:
    parts: dict[tuple[str, int], list[tuple[Entry, F64, int]]] = defaultdict(list)
    for item in curves:
        parts[item[0].clip_id, item[0].part_index].append(item)
    return [max(tracks, key=lambda item: float(item[1].max()) * np.sqrt(item[2])) for tracks in parts.values()]


def _peak(tracks: Sequence[tuple[Entry, F64, int]]) -> int:
    """The shift at which the curves together are highest, each weighted by its windows."""
    return int(np.sum([curve * n for _, curve, n in tracks], axis=0).argmax())


def _judge(curve: F64, n: int, shift: int, tau: float, settings: CleanSettings) -> Cleaned:
    near = curve[max(0, shift - settings.tolerance_images) : shift + settings.tolerance_images + 1]
    offset = settings.w - shift
    if n == 0:
        return Cleaned(offset, 0.0, "no sound")
    if shift in (0, 2 * settings.w):
        return Cleaned(offset, 0.0, "the offset is at the edge of the search")
    if float(near.max()) < settings.min_margin * tau:
        return Cleaned(offset, 0.0, "the lips do not tell the offset")
    if n >= settings.long_windows and abs(int(curve.argmax()) - shift) > settings.tolerance_images:
        return Cleaned(offset, 0.0, "the part disagrees with its clip")
    return Cleaned(offset, 1.0, "kept")
