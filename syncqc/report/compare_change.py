"""How one column changed: correlation, differences and density over all rows, and the rows that changed most.

Knows rows side by side. In memory are sums and bins, and as many rows as are shown.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from syncqc.report.compare_rows import Most, Rows
from syncqc.report.compare_side import Numbers
from syncqc.report.compared import DIFFERENCE_STEP, Change, Row

FEW_ROWS = 2000
"""Up to so many rows, each of them is a point of its own."""
CHANGED_MOST = 200
DENSITY_BINS = 50
_SIDE_BINS = round(1 / DIFFERENCE_STEP)
_FINE = 10_000
_LEAST_VARIANCE = 1e-15

Counts = npt.NDArray[np.int64]


class ChangeSum:
    """The sums of one column so far."""

    def __init__(self, name: str, title: str, column: str) -> None:
        """`name` is the column's in a manifest, `column` its field of `compare_side.Side`."""
        self._name, self._title, self._column = name, title, column
        self._n = self._n_equal = 0
        self._means = np.zeros(2)
        self._products = np.zeros((2, 2))
        self._largest = 0.0
        self._differences: Counts = np.zeros(2 * _SIDE_BINS + 1, np.int64)
        self._sizes: Counts = np.zeros(_FINE + 1, np.int64)
        self._density: Counts = np.zeros((DENSITY_BINS, DENSITY_BINS), np.int64)
        self._most: Most[Row] = Most(CHANGED_MOST)
        self._all: list[Row] | None = []

    def add(self, rows: Rows) -> None:
        """Counts the rows in which both sides have the column."""
        old, new = rows.old(self._column), rows.new(self._column)
        there = np.flatnonzero(~(np.isnan(old) | np.isnan(new)))
        old, new = old[there], new[there]
        if not len(there):
            return
        if self._all is not None:
            room = FEW_ROWS - len(self._all)
            self._all = [*self._all, *(rows.row(int(i)) for i in there)] if len(there) <= room else None
        self._add_moments(old, new)
        difference = new - old
        sizes = np.abs(difference)
        self._n_equal += int((sizes == 0).sum())
        self._largest = max(self._largest, float(sizes.max()))
        bins = _clipped(difference / DIFFERENCE_STEP + _SIDE_BINS + 0.5, 2 * _SIDE_BINS)
        self._differences += np.bincount(bins, minlength=2 * _SIDE_BINS + 1)
        self._sizes += np.bincount(_clipped(sizes * _FINE + 0.5, _FINE), minlength=_FINE + 1)
        cells = _clipped(new * DENSITY_BINS, DENSITY_BINS - 1) * DENSITY_BINS + _clipped(old * DENSITY_BINS, DENSITY_BINS - 1)
        self._density += np.bincount(cells, minlength=DENSITY_BINS**2).reshape(DENSITY_BINS, DENSITY_BINS)
        self._most.add(sizes, lambda i: rows.row(int(there[i])))

    def change(self) -> Change:
        """The sums so far."""
        return Change(
            name=self._name,
            title=self._title,
            n=self._n,
            n_equal=self._n_equal,
            correlation=self._correlation(),
            mean=float(self._means[1] - self._means[0]) if self._n else None,
            median_size=self._quantile(0.5),
            high_size=self._quantile(0.95),
            largest=self._largest if self._n else None,
            differences=tuple(self._differences.tolist()),
            density=tuple(tuple(line) for line in self._density.tolist()),
            all_rows=None if self._all is None else tuple(self._all),
            changed_most=self._most.all(),
        )

    def _add_moments(self, old: Numbers, new: Numbers) -> None:
        """Means and sums of products about them, a block joined to those before it (Chan et al. 1979)."""
        values = np.stack([old, new])
        n, means = len(old), values.mean(axis=1)
        centred = values - means[:, None]
        step = means - self._means
        total = self._n + n
        self._products += centred @ centred.T + np.outer(step, step) * self._n * n / total
        self._means += step * n / total
        self._n = total

    def _correlation(self) -> float | None:
        if self._n < 2 or min(self._products[0, 0], self._products[1, 1]) <= _LEAST_VARIANCE * self._n:
            return None
        found = self._products[0, 1] / np.sqrt(self._products[0, 0] * self._products[1, 1])
        return float(np.clip(found, -1, 1))

    def _quantile(self, share: float) -> float | None:
        if not self._n:
            return None
        at = int(np.searchsorted(np.cumsum(self._sizes), share * self._n))
        return min(at / _FINE, self._largest)


def _clipped(values: Numbers, last: int) -> Counts:
    return np.clip(np.floor(values), 0, last).astype(np.int64)
