"""The best shift of a mean curve, by how much it is best, and whether the true one may lie outside.

A curve is (2 w + 1,), NaN at shifts that cannot be the answer. Knows no windows and no probabilities; `clock` turns shifts into offsets.
"""

from __future__ import annotations

import numpy as np

from syncqc.measure.similarity import F64


def best_shift(curve: F64) -> int | None:
    """The shift with the highest mean cosine; None where every shift is null.

    Among equals it is the one nearest the middle, then the first: a flat curve points at no edge.

    Source: IC-SyncNet, App. D (m, where the average is maximum); "minimum similarity" in §5.1 is a slip.
    """
    if np.isnan(curve).all():
        return None
    best = np.flatnonzero(curve == np.nanmax(curve))
    return int(best[np.argmin(np.abs(best - curve.size // 2))])


def margin(curve: F64) -> float | None:
    """The best mean cosine minus the median over the shifts that are not null, 0 or more; None where every shift is null."""
    if np.isnan(curve).all():
        return None
    return float(np.nanmax(curve) - np.nanmedian(curve))


def is_at_edge(curve: F64) -> bool:
    """Whether the best shift is the first or the last one that could be the answer, so that a better one may lie beyond."""
    shift = best_shift(curve)
    possible = np.flatnonzero(~np.isnan(curve))
    return shift is not None and shift in (possible[0], possible[-1])
