"""Sums over groups of rows that turn up block by block, in memory that grows with the groups and not with the rows.

Knows arrays; neither manifests nor what is summed.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Indices = npt.NDArray[np.int64]
Amounts = npt.NDArray[np.float64]

_MOST_DENSE = 1_000_000
_MOST_WAITING = 1_000_000


@dataclass(frozen=True)
class Members:
    """Which group each row of a block is in: ``groups[local]`` are the groups' numbers, ``groups`` has none twice."""

    groups: Indices
    local: Indices

    @property
    def numbers(self) -> Indices:
        """Per row the number of its group."""
        return self.groups[self.local]


class Numbering:
    """Numbers from 0 for what identifies a group: a number and the values of some columns."""

    def __init__(self) -> None:
        self.keys: dict[tuple[Hashable, ...], int] = {}

    def members(self, first: Indices, columns: Sequence[pa.Array]) -> Members:
        """The groups of rows by `first` (numbers from 0) and the columns' values, null being a value of its own."""
        encoded = [column.dictionary_encode() for column in columns]
        sizes = [len(one.dictionary) + 1 for one in encoded]
        codes = first.astype(np.int64)
        n_codes = int(codes.max(initial=0)) + 1
        for one, size in zip(encoded, sizes, strict=True):
            codes = codes * size + pc.fill_null(one.indices, size - 1).to_numpy()
            n_codes *= size
        found, local = _distinct(codes, n_codes)
        return Members(np.array([self._number(code, encoded, sizes) for code in found.tolist()], np.int64), local)

    def _number(self, code: int, encoded: Sequence[pa.DictionaryArray], sizes: Sequence[int]) -> int:
        values: list[Hashable] = []
        for one, size in zip(reversed(encoded), reversed(sizes), strict=True):
            code, at = divmod(code, size)
            values.append(None if at == size - 1 else one.dictionary[at].as_py())
        return self.keys.setdefault((code, *reversed(values)), len(self.keys))


class Totals:
    """Sums of several amounts per group, for groups numbered from 0."""

    def __init__(self) -> None:
        self._sums: dict[str, Amounts] = {}

    def add(self, members: Members, amounts: Mapping[str, npt.NDArray[np.generic] | None]) -> None:
        """Adds each row's amounts to its group's; None counts the rows."""
        for name, values in amounts.items():
            added = np.bincount(members.local, values, len(members.groups))
            self.add_sums(name, members.groups, added)

    def add_sums(self, name: str, groups: Indices, added: npt.NDArray[np.int64] | Amounts) -> None:
        """Adds one number to each of the groups, none of which is named twice."""
        sums = self._sums.get(name, np.zeros(64))
        n_groups = int(groups.max(initial=-1)) + 1
        if n_groups > len(sums):
            sums = np.concatenate([sums, np.zeros(max(n_groups, 2 * len(sums)) - len(sums))])
        sums[groups] += added
        self._sums[name] = sums

    def of(self, name: str, n_groups: int) -> Amounts:
        """The sums of groups 0 ... `n_groups` - 1."""
        sums = self._sums.get(name, np.zeros(0))[:n_groups]
        return np.concatenate([sums, np.zeros(n_groups - len(sums))])


class Sparse:
    """Sums per key, a number of 64 bits; in memory are the keys that there are."""

    def __init__(self, n_amounts: int = 1) -> None:
        self._keys = np.zeros(0, np.int64)
        self._sums = np.zeros((n_amounts, 0))
        self._waiting: list[tuple[Indices, Amounts]] = []
        self._n_waiting = 0

    def add(self, keys: Indices, *amounts: npt.NDArray[np.generic]) -> None:
        """Adds to each key's sums; without amounts it counts the keys."""
        found, local = np.unique(keys, return_inverse=True)
        columns = amounts or (np.ones(len(keys)),)
        self._waiting.append((found, np.stack([np.bincount(local, column, len(found)) for column in columns])))
        self._n_waiting += len(found)
        if self._n_waiting > max(_MOST_WAITING, len(self._keys)):
            self._merge()

    @property
    def most_keys(self) -> int:
        """There are at most so many keys; quicker than to count them."""
        return len(self._keys) + self._n_waiting

    @property
    def keys(self) -> Indices:
        """All keys, rising."""
        self._merge()
        return self._keys

    @property
    def sums(self) -> Amounts:
        """``(amounts, keys)``: the sums of `keys`."""
        self._merge()
        return self._sums

    def replace_keys(self, keys: Indices) -> None:
        """Gives each of `keys` another name; what then has one name is summed."""
        sums = self.sums
        self._keys, self._sums = np.zeros(0, np.int64), np.zeros((len(sums), 0))
        self.add(keys, *sums)

    def _merge(self) -> None:
        if not self._waiting:
            return
        keys = np.concatenate([self._keys, *(found for found, _ in self._waiting)])
        sums = np.concatenate([self._sums, *(added for _, added in self._waiting)], axis=1)
        self._keys, local = np.unique(keys, return_inverse=True)
        self._sums = np.stack([np.bincount(local, column, len(self._keys)) for column in sums])
        self._waiting, self._n_waiting = [], 0


def quantile(values: npt.NDArray[np.generic], counts: npt.NDArray[np.generic], share: float) -> float | None:
    """The value below or at which that share of all counts lies; midway where it lies between two values; None without counts.

    `values` rise.
    """
    total = float(counts.sum())
    if not total:
        return None
    reached = np.cumsum(counts)
    at = share * total
    low = int(np.searchsorted(reached, at, side="left"))
    high = int(np.searchsorted(reached, at, side="right"))
    last = len(values) - 1
    return (float(values[min(low, last)]) + float(values[min(high, last)])) / 2


def n_distinct(values: Indices) -> int:
    """How many different values there are. By sorting: numpy's own way is slow for packed numbers."""
    return int(np.count_nonzero(np.diff(np.sort(values)))) + 1 if len(values) else 0


def _distinct(codes: Indices, n_codes: int) -> tuple[Indices, Indices]:
    """The codes that occur, rising, and per row the place of its code among them."""
    if n_codes > _MOST_DENSE:
        found, local = np.unique(codes, return_inverse=True)
        return found, local
    found = np.flatnonzero(np.bincount(codes, minlength=n_codes))
    place = np.zeros(n_codes, np.int64)
    place[found] = np.arange(len(found))
    return found, place[codes]
