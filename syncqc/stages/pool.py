"""What the rows of a clip say together: which track of each part is chosen, and the offset and probability of the whole clip.

Knows rows only, neither pictures nor networks.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import ClassVar, cast

from syncqc.manifest import columns as c
from syncqc.manifest.row import Row
from syncqc.stages.base import Closing

NOBODY_LISTED = "no face where the dataset's list says"
"""In `detail` of a part's rows; the best-synced face is chosen then."""
_FARTHEST = 1e-6


@dataclass
class PoolClip(Closing):
    """The chosen track of each part, and a vote of the confident parts.

    Chosen is the face that the clip's list points at. Where it could not be measured no track of the part is chosen, and its own
    `is_chosen_track` is null. Where the list points at none, or (then `detail` says so) there is no face where it points, chosen is
    the measured track with the largest `probability_in_sync`, of equal ones the one with the larger margin, then the
    first (a network without calibration gives no probability: there the margin decides). In a part in which nothing was measured
    `is_chosen_track` is null. A part is confident where its chosen track reaches
    `min_probability` and its offset is not at the edge of the search. `clip_offset_frames` is where the curves of the chosen tracks of
    the confident parts, each weighted by its windows, are together highest: a part whose curve is flat has little say, as it should.
    Without a confident part all chosen tracks are pooled, so that the best guess is there beside the low
    `clip_probability_in_sync` that says what it is worth; only `is_offset_drifting` is then null.
    """

    min_probability: float = 0.8
    """`probability_in_sync` from which on a part is confident."""
    max_drift_frames: int = 1
    """Confident parts may differ by so much before the clip counts as drifting."""

    reads: ClassVar[tuple[c.Column, ...]] = (
        c.PART_INDEX, c.IS_LISTED_FACE, c.FAILURE, c.DETAIL, c.OFFSET_FRAMES, c.IS_OFFSET_AT_EDGE, c.MARGIN, c.PROBABILITY_IN_SYNC,
        c.N_WINDOWS, c.SIMILARITY,
    )  # fmt: skip
    writes: ClassVar[tuple[c.Column, ...]] = (
        c.IS_CHOSEN_TRACK, c.CLIP_OFFSET_FRAMES, c.CLIP_PROBABILITY_IN_SYNC, c.IS_OFFSET_DRIFTING, c.DETAIL,
    )  # fmt: skip

    def __call__(self, rows: list[Row]) -> list[Row]:
        """The same rows, further filled; the columns of the clip are equal in all of them."""
        parts = _by_part(rows)
        found = {part: _chosen(tracks) for part, tracks in parts.items()}
        chosen = [row for row in found.values() if row is not None]
        confident = [row for row in chosen if self._is_confident(row)]
        offsets = [_int(row, "offset_frames") for row in confident]
        heard = confident or chosen
        of_the_clip: Row = {
            "clip_offset_frames": _pooled_offset(heard),
            "clip_probability_in_sync": _pooled(heard),
            "is_offset_drifting": max(offsets) - min(offsets) > self.max_drift_frames if offsets else None,
        }
        return [_with_choice(row, parts[row["part_index"]], found[row["part_index"]]) | of_the_clip for row in rows]

    def _is_confident(self, row: Row) -> bool:
        return _known(row, "probability_in_sync")[0] >= self.min_probability and row.get("is_offset_at_edge") is not True


def _by_part(rows: list[Row]) -> dict[object, list[Row]]:
    parts: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        parts[row["part_index"]].append(row)
    return parts


def _chosen(tracks: list[Row]) -> Row | None:
    """The chosen one of a part's rows; None where the face that is wanted, or every face, was not measured."""
    wanted = [row for row in tracks if row.get("is_listed_face")] or tracks
    return max(filter(_is_measured, wanted), key=lambda row: _known(row, "probability_in_sync", "margin"), default=None)


def _with_choice(row: Row, tracks: list[Row], chosen: Row | None) -> Row:
    """The row with whether it is the chosen one of these of its part, and a word where the list's face is not among them."""
    is_known = chosen is not None or (row.get("is_listed_face") is False and any(other.get("is_listed_face") for other in tracks))
    done = {**row, "is_chosen_track": row is chosen if is_known else None}
    if row.get("is_listed_face") is False and not any(other.get("is_listed_face") for other in tracks):
        done["detail"] = "; ".join(str(said) for said in (row.get("detail"), NOBODY_LISTED) if said)
    return done


def _is_measured(row: Row) -> bool:
    return row.get("failure") is None and row.get("offset_frames") is not None


def _pooled_offset(rows: list[Row]) -> int | None:
    """The offset at which the summed curves are highest; of equal ones the smaller in size, then the negative one; None without rows.

    An offset counts where curves with at least half of all windows reach it.
    """
    sums: dict[int, float] = defaultdict(float)
    reach: dict[int, int] = defaultdict(int)
    for row in rows:
        for offset, cosine in _curve(row).items():
            sums[offset] += cosine * _n_windows(row)
            reach[offset] += _n_windows(row)
    total = sum(_n_windows(row) for row in rows)
    candidates = [offset for offset, windows in reach.items() if 2 * windows >= total]
    return min(candidates, key=lambda offset: (-sums[offset] / reach[offset], abs(offset), offset)) if candidates else None


def _curve(row: Row) -> dict[int, float]:
    """Mean cosine above the curve's own mean, by offset; shifts that are null are left out."""
    curve = cast("list[float | None]", row["similarity"])
    known = {shift: cosine for shift, cosine in enumerate(curve) if cosine is not None}
    if not known:
        return {}
    # The row's offset is that of its best shift, with the checkpoint's own zero taken off.
    best = max(known, key=lambda shift: known[shift])
    mean = sum(known.values()) / len(known)
    return {_int(row, "offset_frames") + best - shift: cosine - mean for shift, cosine in known.items()}


def _pooled(rows: list[Row]) -> float | None:
    """The mean of the logits of `probability_in_sync`, weighted by windows, as a probability again; None without any."""
    rows = [row for row in rows if row.get("probability_in_sync") is not None]
    if not rows:
        return None
    total = sum(_n_windows(row) for row in rows)
    mean = sum(_n_windows(row) * _logit(_float(row, "probability_in_sync")) for row in rows) / total
    return 1 / (1 + math.exp(-mean))


def _logit(probability: float) -> float:
    inside = min(max(probability, _FARTHEST), 1 - _FARTHEST)
    return math.log(inside / (1 - inside))


def _n_windows(row: Row) -> int:
    return max(1, _int(row, "n_windows")) if row.get("n_windows") is not None else 1


def _known(row: Row, *names: str) -> list[float]:
    """The numbers, those that are missing below all others."""
    return [-math.inf if row.get(name) is None else _float(row, name) for name in names]


def _int(row: Row, name: str) -> int:
    return int(cast(int, row[name]))


def _float(row: Row, name: str) -> float:
    return float(cast(float, row[name]))
