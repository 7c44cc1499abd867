"""Which part of one manifest belongs to which of the other: two sorted manifests side by side, a piece at a time.

Knows the parts of both sides; sums nothing. Parts belong together by clip_id and part_index, where the clip was cut into as many
parts and the two lie over each other. A clip that one side could not read at all stands beside each part of the other side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from syncqc.report.compare_side import Flags, Indices, Side, empty_side

LEAST_OVERLAP = 0.5
"""Of the shorter of two parts; below it they are not the same part."""
_PARTS_PER_CLIP = np.int64(1) << 32


@dataclass(frozen=True, eq=False)
class Pairs:
    """A piece of both manifests that holds the same range of clip_ids, and what belongs together in it."""

    old: Side
    new: Side
    clips_old: Indices
    clips_new: Indices
    """Clips that are in both: number k of the one and number k of the other are the same."""
    parts_old: Indices
    parts_new: Indices
    """Parts that are compared, sorted by clip and part."""
    clip: Indices
    """For each of them which clip of `clips_old` it is of."""
    is_recut: Flags
    """For each clip of `clips_old`: cut into another number of parts."""
    elsewhere_old: Indices
    elsewhere_new: Indices
    """Parts of clips that were cut in another way, and parts that lie elsewhere: in both manifests, but not compared."""
    only_old: Indices
    only_new: Indices
    """Parts that the other side does not have, those of clips that it does not have among them."""


def pieces(old: Iterator[Side], new: Iterator[Side]) -> Iterator[Pairs]:
    """Both manifests from beginning to end, in pieces of whole clips; one piece of each is in memory."""
    left: list[Side | None] = [None, None]
    streams = (old, new)
    while True:
        for i, stream in enumerate(streams):
            if left[i] is None:
                left[i] = next(stream, None)
        first, second = left
        if first is None and second is None:
            return
        if first is None or second is None:
            yield pairs(first or empty_side(), second or empty_side())
            left = [None, None]
            continue
        limit = min((side.clip_ids[-1].as_py() for side in (first, second)), key=lambda clip_id: str(clip_id).encode())
        heads = []
        for i, side in enumerate((first, second)):
            n_clips = int(pc.sum(pc.less_equal(side.clip_ids, limit)).as_py() or 0)
            heads.append(side.between(0, n_clips))
            left[i] = side.between(n_clips, side.n_clips) if n_clips < side.n_clips else None
        yield pairs(*heads)


def pairs(old: Side, new: Side) -> Pairs:
    """What belongs together in two pieces that hold the same range of clip_ids."""
    at = pc.fill_null(pc.index_in(old.clip_ids, value_set=new.clip_ids), -1).to_numpy(zero_copy_only=False).astype(np.int64)
    clips_old = np.flatnonzero(at >= 0)
    clips_new = at[clips_old]
    unread_old, unread_new = old.is_unread[clips_old], new.is_unread[clips_new]
    n_old, n_new = (side.n_parts[side.first_part[clips]] for side, clips in ((old, clips_old), (new, clips_new)))
    is_recut = (n_old != n_new) & ~np.isnan(n_old) & ~np.isnan(n_new) & ~unread_old & ~unread_new
    together = _by_number(old, new, clips_old, clips_new, np.flatnonzero(~is_recut & (unread_old == unread_new)))
    beside = (
        _beside_unread(old, new, clips_old, clips_new, np.flatnonzero(unread_old & ~unread_new)),
        _beside_unread(new, old, clips_new, clips_old, np.flatnonzero(unread_new & ~unread_old)),
    )
    parts_old = np.concatenate([together[0], beside[0][0], beside[1][1]])
    parts_new = np.concatenate([together[1], beside[0][1], beside[1][0]])
    clip = np.concatenate([together[2], beside[0][2], beside[1][2]])
    order = np.lexsort((parts_new, parts_old, clip))
    parts_old, parts_new, clip = parts_old[order], parts_new[order], clip[order]
    is_elsewhere = _is_elsewhere(old, new, parts_old, parts_new)
    recut_old = old.parts_of(clips_old[is_recut])[0]
    recut_new = new.parts_of(clips_new[is_recut])[0]
    return Pairs(
        old=old,
        new=new,
        clips_old=clips_old,
        clips_new=clips_new,
        parts_old=parts_old[~is_elsewhere],
        parts_new=parts_new[~is_elsewhere],
        clip=clip[~is_elsewhere],
        is_recut=is_recut,
        elsewhere_old=np.union1d(recut_old, parts_old[is_elsewhere]),
        elsewhere_new=np.union1d(recut_new, parts_new[is_elsewhere]),
        only_old=_others(old, parts_old, recut_old),
        only_new=_others(new, parts_new, recut_new),
    )


def _by_number(old: Side, new: Side, clips_old: Indices, clips_new: Indices, which: Indices) -> tuple[Indices, Indices, Indices]:
    """Parts of the same number of the clips `which`, and the clip of each."""
    parts_old, of_old = old.parts_of(clips_old[which])
    parts_new, of_new = new.parts_of(clips_new[which])
    keys_old = of_old * _PARTS_PER_CLIP + old.part_index[parts_old] + 1
    keys_new = of_new * _PARTS_PER_CLIP + new.part_index[parts_new] + 1
    _, at_old, at_new = np.intersect1d(keys_old, keys_new, assume_unique=True, return_indices=True)
    return parts_old[at_old], parts_new[at_new], which[of_old[at_old]]


def _beside_unread(
    unread: Side, other: Side, clips_unread: Indices, clips_other: Indices, which: Indices
) -> tuple[Indices, Indices, Indices]:
    """The one row of a clip that could not be read, beside each part of the other side."""
    parts, of = other.parts_of(clips_other[which])
    return unread.first_part[clips_unread[which]][of], parts, which[of]


def _is_elsewhere(old: Side, new: Side, parts_old: Indices, parts_new: Indices) -> Flags:
    """Whether two parts lie over each other too little to be the same; where a place is unknown they may be."""
    start_old, end_old, start_new, end_new = old.start_s[parts_old], old.end_s[parts_old], new.start_s[parts_new], new.end_s[parts_new]
    overlap_s = np.minimum(end_old, end_new) - np.maximum(start_old, start_new)
    is_elsewhere: Flags = overlap_s < LEAST_OVERLAP * np.minimum(end_old - start_old, end_new - start_new)
    return is_elsewhere


def _others(side: Side, *known: Indices) -> Indices:
    is_known = np.zeros(len(side.part_index), bool)
    for parts in known:
        is_known[parts] = True
    return np.flatnonzero(~is_known)
