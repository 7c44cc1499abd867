"""The rows that could stand on each contact sheet, found in one pass over a manifest, and the order in which they are taken.

Knows manifests and rules; no pictures. Memory stays the same however many rows there are: per sheet and dataset the first few dozen
clips are kept. What is drawn by lot is drawn by a hash of seed and clip_id, so that the same clips are drawn again.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from syncqc.manifest.blocks import Block, whole_clips
from syncqc.report.sheet_rules import F32, NUMBERS, RULES, SEVERAL_PARTS, Numbers, SheetRule

_COLUMNS = (*NUMBERS, "dataset", "track_index", "is_chosen_track", "failure")
_PER_DATASET = 96
"""Clips kept per sheet and dataset, from which speakers are then taken in turn."""

Indices = npt.NDArray[np.int64]


class Candidate(NamedTuple):
    """One row of a clip; the lower its rank, the earlier it is taken."""

    rank: float
    clip_id: str
    part_index: int
    track_index: int
    dataset: str
    speaker: str
    """The clip_id where there is no label."""
    manifest: Path


@dataclass
class Pool:
    """What meets one sheet's rule: how much, and of each dataset the clips that come first."""

    n_rows: int = 0
    n_clips: int = 0
    by_dataset: dict[tuple[Path, str], list[Candidate]] = field(default_factory=dict)

    def add(self, key: tuple[Path, str], found: Iterable[Candidate]) -> None:
        """Keeps the first of those known and found."""
        self.by_dataset[key] = heapq.nsmallest(_PER_DATASET, [*self.by_dataset.get(key, []), *found])

    def limit(self, key: tuple[Path, str]) -> float:
        """What ranks above this would not be kept."""
        known = self.by_dataset.get(key, [])
        return known[-1].rank if len(known) == _PER_DATASET else np.inf

    def in_turn(self) -> list[Candidate]:
        """All that were kept, each clip once: datasets in turn, and of each dataset speakers in turn."""
        rounds = zip_longest(*(_speakers_in_turn(self.by_dataset[key]) for key in sorted(self.by_dataset)))
        known: set[tuple[str, str]] = set()
        taken = []
        for candidate in (one for turn in rounds for one in turn if one is not None):
            clip = candidate.dataset, candidate.clip_id
            if clip not in known:
                known.add(clip)
                taken.append(candidate)
        return taken


def pools(manifests: Sequence[Path], seed: int, rules: Sequence[SheetRule] = RULES) -> Mapping[str, Pool]:
    """Name of the sheet to what meets its rule in all manifests; each is read once, and only the columns that are asked for.

    Raises:
        UsageError: no manifest, or rows that are not sorted by clip_id.
    """
    found = {rule.name: Pool() for rule in rules}
    for manifest in manifests:
        for block in whole_clips(manifest, _COLUMNS):
            rows = _Rows(block, manifest, seed)
            for rule in rules:
                rows.put(rule, found[rule.name])
    return found


class _Rows:
    """A block's rows of chosen, measured tracks, as numbers."""

    def __init__(self, block: Block, manifest: Path, seed: int) -> None:
        is_measured = pc.and_(block.column("failure").is_null(), block.column("probability_at_offset").is_valid())
        is_shown: npt.NDArray[np.bool_] = pc.and_(is_measured, pc.fill_null(block.column("is_chosen_track"), False)).to_numpy(
            zero_copy_only=False
        )
        self._at = np.flatnonzero(is_shown)
        self._block, self._manifest, self._seed = block, manifest, seed
        lengths = np.diff(block.clip_starts, append=block.table.num_rows)
        self._clip = np.repeat(np.arange(len(lengths)), lengths)[self._at]
        self._numbers: Numbers = {name: _numbers(block.column(name))[self._at] for name in NUMBERS}
        datasets = pc.fill_null(block.column("dataset"), "").dictionary_encode()
        self._dataset = datasets.indices.to_numpy()[self._at]
        self._names: list[str] = datasets.dictionary.to_pylist()
        self._clip_ids = block.column("clip_id")
        self._lots = np.full(len(lengths), np.nan)

    def put(self, rule: SheetRule, pool: Pool) -> None:
        """Counts what meets the rule, and puts what comes early into the pool."""
        holds = rule.holds(self._numbers)
        if rule.of is not None:
            holds &= self._is_whole(holds, rule.of(self._numbers))
        met = np.flatnonzero(holds)
        if not len(met):
            return
        is_new = np.concatenate([[True], self._clip[met][1:] != self._clip[met][:-1]])
        pool.n_rows += len(met)
        pool.n_clips += int(is_new.sum())
        order = rule.order(self._numbers)[met]
        lots = None if rule.is_by_order else self._drawn(self._clip[met][is_new])
        ranks = order.astype(np.float64) if lots is None else lots[np.cumsum(is_new) - 1]
        limits = np.array([pool.limit((self._manifest, name)) for name in self._names])
        early = np.flatnonzero(ranks <= limits[self._dataset[met]])
        early = early[_first_of_each(self._clip[met[early]], order[early])]
        for number in np.unique(self._dataset[met[early]]).tolist():
            here = early[self._dataset[met[early]] == number]
            if len(here) > _PER_DATASET:
                here = here[ranks[here] <= np.partition(ranks[here], _PER_DATASET - 1)[_PER_DATASET - 1]]
            pool.add((self._manifest, self._names[number]), self._candidates(met[here], ranks[here], self._names[number]))

    def _is_whole(self, holds: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Whether the row's clip has several rows that are asked, and the rule holds for all of them."""
        n_clips = len(self._block.clip_starts)
        n_asked = np.bincount(self._clip[asked], minlength=n_clips)
        n_held = np.bincount(self._clip[holds & asked], minlength=n_clips)
        whole: npt.NDArray[np.bool_] = ((n_held == n_asked) & (n_asked >= SEVERAL_PARTS))[self._clip]
        return whole

    def _drawn(self, clips: Indices) -> npt.NDArray[np.float64]:
        """Each clip's number in the draw, 0-1."""
        new = clips[np.isnan(self._lots[clips])]
        names = self._clip_ids.take(pa.array(self._block.clip_starts[new])).to_pylist()
        self._lots[new] = [_lot(name, self._seed) for name in names]
        return self._lots[clips]

    def _candidates(self, rows: Indices, ranks: npt.NDArray[np.float64], dataset: str) -> Iterator[Candidate]:
        table = self._block.table.take(pa.array(self._at[rows]))
        columns = (table.column(name).to_pylist() for name in ("clip_id", "part_index", "track_index", "speaker"))
        for rank, clip_id, part, track, speaker in zip(ranks.tolist(), *columns, strict=True):
            yield Candidate(rank, clip_id, part or 0, -1 if track is None else track, dataset, speaker or clip_id, self._manifest)


def _lot(clip_id: str, seed: int) -> float:
    digest = blake2b(clip_id.encode(), digest_size=8, key=str(seed).encode()).digest()
    return int.from_bytes(digest, "big") / 2**64


def _numbers(column: pa.Array) -> F32:
    """The values as 32-bit numbers, nan where there is none, True as 1."""
    numbers: F32 = column.cast(pa.float32()).to_numpy(zero_copy_only=False)
    return numbers


def _first_of_each(clips: Indices, order: F32) -> Indices:
    """Places of the lowest value of each clip."""
    if not len(clips):
        return np.zeros(0, np.int64)
    place = np.lexsort((order, clips))
    is_first = np.concatenate([[True], clips[place][1:] != clips[place][:-1]])
    first: Indices = place[is_first]
    return first


def _speakers_in_turn(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first of each speaker, then the second of each, and so on; within a round by rank."""
    n_before: Counter[str] = Counter()
    rounds = []
    for candidate in candidates:
        rounds.append((n_before[candidate.speaker], candidate))
        n_before[candidate.speaker] += 1
    return [candidate for _, candidate in sorted(rounds)]
