"""Which cells the rows of each clip lie in, of all clips or of a sample that is drawn by the clips' names.

Knows cells as numbers. The sample halves whenever it grows too large; a clip's name alone decides whether it is in it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from syncqc.report.cells_keys import marks_of
from syncqc.report.cells_kinds import Indices, Marks, kinds, needed
from syncqc.report.gather_rows import Rows
from syncqc.report.sums import n_distinct

_MOST_UNDER_WAY = 1_000_000

CellSets = tuple[tuple[int, ...], ...]
_Pieces = tuple[Indices, Indices, Indices]


class ClipSample:
    """For each clip of the sample the cells of its rows."""

    def __init__(self) -> None:
        self._pieces: list[_Pieces] = []
        self._n_waiting = 0
        self._n_clips = 0
        self._halvings = 0

    def add(self, rows: Rows, which: Indices, keys: Indices) -> None:
        """Takes in the cells of the rows `which` of a block."""
        clip_ids = rows.block.column("clip_id").take(rows.block.clip_starts).to_pylist()
        draws = np.fromiter((_draw(clip_id) for clip_id in clip_ids), np.int64, len(clip_ids))
        clips = rows.clip_of[which]
        is_in = self._is_in(draws[clips])
        self._pieces.append((self._n_clips + clips[is_in], keys[is_in], draws[clips[is_in]]))
        self._n_clips += len(clip_ids)
        self._n_waiting += int(is_in.sum())
        if self._n_waiting > 2 * _MOST_UNDER_WAY:
            self._thin()

    def replace_keys(self, moved: Callable[[Indices], Indices]) -> None:
        """Gives the cells other numbers."""
        self._pieces = [(clips, moved(keys), draws) for clips, keys, draws in self._pieces]

    def kinds(self, keys: Indices, marks: Marks, most_kinds: int) -> tuple[CellSets, tuple[int, ...], int]:
        """Kinds of clips as places in `keys`, how many clips of the sample are of each, and one clip of how many is in it.

        The most frequent kind comes first. The sample is halved until there are at most `most_kinds`.
        """
        clips, own_keys, draws = self._all()
        draw_of = _lookup(clips, draws)
        owners, cells = needed(clips, np.searchsorted(keys, own_keys), marks)
        kind_of, found = kinds(owners, cells)
        of_clip = draw_of(owners[np.diff(owners, prepend=-1) != 0])
        is_in = np.ones(len(kind_of), bool)
        while n_distinct(kind_of[is_in]) > most_kinds:
            self._halvings += 1
            is_in = self._is_in(of_clip)
        n_clips = np.bincount(kind_of[is_in], minlength=len(found))
        order = [kind for kind in np.argsort(-n_clips, kind="stable").tolist() if n_clips[kind]]
        return tuple(found[kind] for kind in order), tuple(n_clips[order].tolist()), 1 << self._halvings

    def _thin(self) -> None:
        """Leaves out needless cells, then, where that is not enough, half of the clips."""
        clips, keys, draws = self._all()
        draw_of = _lookup(clips, draws)
        distinct, cells = np.unique(keys, return_inverse=True)
        clips, cells = needed(clips, cells, marks_of(distinct))
        keys, draws = distinct[cells], draw_of(clips)
        while len(keys) > _MOST_UNDER_WAY:
            self._halvings += 1
            is_in = self._is_in(draws)
            clips, keys, draws = clips[is_in], keys[is_in], draws[is_in]
        self._pieces, self._n_waiting = [(clips, keys, draws)], len(keys)

    def _all(self) -> _Pieces:
        none = np.zeros(0, np.int64)
        clips, keys, draws = (np.concatenate([none, *(piece[i] for piece in self._pieces)]) for i in range(3))
        return clips, keys, draws

    def _is_in(self, draws: Indices) -> npt.NDArray[np.bool_]:
        flags: npt.NDArray[np.bool_] = draws & ((1 << self._halvings) - 1) == 0
        return flags


def _lookup(clips: Indices, draws: Indices) -> Callable[[Indices], Indices]:
    """From clips to their draws."""
    known, first = np.unique(clips, return_index=True)

    def draw_of(wanted: Indices) -> Indices:
        return draws[first[np.searchsorted(known, wanted)]]

    return draw_of


def _draw(clip_id: str) -> int:
    """32 bits that depend on the name alone; the last ones of a checksum follow the name too plainly, so they are mixed."""
    mixed = zlib.crc32(clip_id.encode()) * 0x9E3779B97F4A7C15 & (1 << 64) - 1
    return mixed >> 32
