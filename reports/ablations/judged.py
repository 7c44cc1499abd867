"""What a network says of face tracks in a crop cache, in the terms of ``syncqc evaluate`` but without reading a clip again.

Sound that is moved by whole images gives the matrix of the unmoved sound, its rows moved by as much, so nothing is heard twice.
Foreign sound is that of other tracks of the same source: of other speakers, where speakers have names, else of other clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from syncqc.clock import DEFAULT_W as W
from syncqc.measure.settings import MeasureSettings
from syncqc.measure.similarity import similarity_matrix, validity
from syncqc.media.mel import MelFrontEnd
from syncqc.nets.ic_syncnet import IcSyncNet
from syncqc.train.cache import CropCache, Entry
from syncqc.train.evaluate import agrees_with_clip, follows, own_and_foreign, window_accuracy
from syncqc.train.hearer import Pair
from syncqc.train.intervals import auc, auc_interval95, mean, mean_interval95
from syncqc.train.stretches import EvalSettings, Measuring, Stretch, TrackMatrices, stretches
from syncqc.train.validate import F32, Bools, embed_track

FIRST_STRANGER = 7
"""Foreign sound comes from so many tracks further down, where the next parts of the same clip are over."""


def judged(network: IcSyncNet, tracks: Sequence[tuple[CropCache, Entry]], settings: EvalSettings) -> dict[str, Any]:
    """The network's figures on the tracks, JSON-able; shares 0-1, None where nothing could be judged.

    ``accuracy`` holds per K the share of right windows of each track around the track's own offset, ``speakers`` whose track it is.
    """
    network.eval()
    found = _matrices(network, tracks, settings)
    measuring = Measuring(network.tau, W, MeasureSettings())
    rows = stretches(found, None, measuring)
    accuracy = {k: window_accuracy(found, k, measuring, settings) for k in settings.k}
    own, foreign = own_and_foreign(rows)
    agree, follow = agrees_with_clip(rows, settings), follows(rows, settings)
    halves = _halves(found, measuring, settings.tolerance_images)
    return {
        "n_tracks": len(found),
        "n_speakers": len({one.speaker for one in found}),
        "accuracy": {f"K={k}": values for k, (values, _) in accuracy.items()},
        "speakers": {f"K={k}": speakers for k, (_, speakers) in accuracy.items()},
        "halves_agree": mean(halves),
        "foreign_auc": auc(own[0], foreign[0]),
        "foreign_auc_interval95": auc_interval95(*own, *foreign),
        "rows_agree": mean(agree[0]),
        "rows_agree_interval95": mean_interval95(*agree),
        "rows_follow": mean(follow[0]),
        "rows_follow_interval95": mean_interval95(*follow),
        "offsets": _offsets(rows),
    }


def whose(entry: Entry) -> str:
    """The speaker, or, where nobody is named, the clip."""
    return entry.speaker or entry.clip_id


def _offsets(rows: Sequence[Stretch]) -> dict[str, int]:
    """How many rows have which offset."""
    values, counts = np.unique([row.own.offset_frames for row in rows], return_counts=True)
    return {str(int(value)): int(n) for value, n in zip(values, counts, strict=True)}


def _matrices(network: IcSyncNet, tracks: Sequence[tuple[CropCache, Entry]], settings: EvalSettings) -> list[TrackMatrices]:
    """The matrices of every track, reaching to 2 w."""
    embedded = [embed_track(network, cache, entry, MelFrontEnd(), 2 * W) for cache, entry in tracks]
    entries = [entry for _, entry in tracks]
    found = []
    for i, (video, audio, has_sound) in enumerate(embedded):
        own = _pair(video, audio, has_sound)
        one = TrackMatrices(entries[i].clip_id, whose(entries[i]), entries[i].source, own)
        one.moved = {move: _earlier(own, move) for move in settings.moves}
        one.foreign = [_pair(video, *embedded[k][1:]) for k in strangers(entries, i, settings.n_foreign)]
        found.append(one)
    return found


def _pair(video: F32, audio: F32, has_sound: Bools) -> Pair:
    """The track beside a sound, which is cut or, where it is too short, filled with nothing."""
    n = len(video) + 4 * W
    missing = max(0, n - len(audio))
    audio, has_sound = np.pad(audio[:n], ((0, missing), (0, 0))), np.pad(has_sound[:n], (0, missing))
    return np.asarray(similarity_matrix(video, audio), np.float32), validity(has_sound, 2 * W)


def _earlier(pair: Pair, move: int) -> Pair:
    """The matrix with the sound `move` images earlier; rows that were not looked at do not count."""
    matrix, is_valid = np.full_like(pair[0], np.nan), np.zeros_like(pair[1])
    n = len(matrix)
    to, of = slice(max(0, -move), min(n, n - move)), slice(max(0, move), min(n, n + move))
    matrix[to], is_valid[to] = pair[0][of], pair[1][of]
    return matrix, is_valid


def strangers(entries: Sequence[Entry], i: int, n: int) -> list[int]:
    """Which `n` tracks lend track `i` foreign sound: of its source, of others, as long as itself where there are such."""
    down = [k % len(entries) for k in range(i + FIRST_STRANGER, i + FIRST_STRANGER + len(entries))]
    others = [k for k in down if entries[k].source == entries[i].source and whose(entries[k]) != whose(entries[i])]
    if not others:
        others = [k for k in down if entries[k].source == entries[i].source and entries[k].clip_id != entries[i].clip_id]
    return sorted(others, key=lambda k: -min(entries[k].n_images, entries[i].n_images))[:n]


def _halves(found: Sequence[TrackMatrices], measuring: Measuring, tolerance: int) -> list[float]:
    """For each track whether its halves have the same offset."""
    agree = []
    for track in found:
        middle = track.own[0].shape[1] // 2
        sides = [measuring(track.own, part) for part in (slice(None, middle), slice(middle, None))]
        offsets = [side.offset_frames for side in sides if side is not None]
        if len(offsets) == 2:
            agree.append(float(abs(offsets[0] - offsets[1]) <= tolerance))
    return agree
