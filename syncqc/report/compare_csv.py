"""Every row that changed as a line of a CSV file, a piece at a time.

Knows rows side by side; sums nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from syncqc.report.compare_rows import Rows
from syncqc.report.compare_side import Flags, Indices, Numbers, Side

_TEXT, _INT, _FLOAT, _BOOL = pa.string(), pa.int32(), pa.float32(), pa.bool_()
_READING = {
    "failure": _TEXT, "track_index": _INT, "start_s": pa.float64(), "end_s": pa.float64(), "offset_frames": _INT,
    "probability_at_offset": _FLOAT, "offscreen_ratio": _FLOAT, "is_kept": _BOOL, "dropped_by": _TEXT,
}  # fmt: skip
SCHEMA = pa.schema(
    [("clip_id", _TEXT), ("part_index", _INT), ("dataset", _TEXT), ("speaker", _TEXT), ("what", _TEXT)]
    + [(f"{side}_{name}", kind) for name, kind in _READING.items() for side in ("old", "new")]
)
ONLY_OLD, ONLY_NEW, ELSEWHERE = "only in OLD", "only in NEW", "other part borders"
_FORMULA = r"^[=+\-@\t\r\n]"


class ChangesFile(AbstractContextManager["ChangesFile"]):
    """The file being written; what a spreadsheet would run as a formula begins with an apostrophe."""

    def __init__(self, path: Path) -> None:
        self._writer = pa_csv.CSVWriter(path, SCHEMA, write_options=pa_csv.WriteOptions(quoting_style="needed"))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()

    def add(self, rows: Rows) -> None:
        """The rows of a piece that changed, then those that are on one side only or lie elsewhere."""
        pairs, changed = rows.pairs, np.flatnonzero(rows.is_changed)
        parts_old, parts_new = pairs.parts_old[changed], pairs.parts_new[changed]
        what = _what({name: flags[changed] for name, flags in rows.differences.items()}, len(changed))
        # Of a clip that one side could not read the other one knows the part.
        is_new_unread = pairs.new.is_unread[pairs.clips_new][pairs.clip[changed]]
        part_index = np.where(is_new_unread, pairs.old.part_index[parts_old], pairs.new.part_index[parts_new])
        of_clip = self._clip_columns(rows, pairs.new, _clips_of(pairs.new, parts_new))
        # What the clip is of may be known on one side alone.
        other = self._clip_columns(rows, pairs.old, _clips_of(pairs.old, parts_old))
        of_clip = {name: pc.coalesce(column, other[name]) for name, column in of_clip.items()}
        self._write(of_clip, part_index, what, self._reading(rows, pairs.old, parts_old), self._reading(rows, pairs.new, parts_new))
        for side, parts, why in (
            (pairs.old, pairs.only_old, ONLY_OLD), (pairs.new, pairs.only_new, ONLY_NEW),
            (pairs.old, pairs.elsewhere_old, ELSEWHERE), (pairs.new, pairs.elsewhere_new, ELSEWHERE),
        ):  # fmt: skip
            readings = [self._reading(rows, side, parts) if side is one else _nothing(len(parts)) for one in (pairs.old, pairs.new)]
            of_clip = self._clip_columns(rows, side, _clips_of(side, parts))
            self._write(of_clip, side.part_index[parts], pa.array([why] * len(parts), _TEXT), *readings)

    def _write(
        self, of_clip: dict[str, pa.Array], part_index: Indices, what: pa.Array, old: dict[str, pa.Array], new: dict[str, pa.Array]
    ) -> None:
        if not len(what):
            return
        columns = {**of_clip, "part_index": pa.array(part_index), "what": what}
        columns |= {f"old_{name}": column for name, column in old.items()} | {f"new_{name}": column for name, column in new.items()}
        self._writer.write(pa.Table.from_arrays([columns[field.name].cast(field.type) for field in SCHEMA], schema=SCHEMA))

    def _clip_columns(self, rows: Rows, side: Side, clips: Indices) -> dict[str, pa.Array]:
        at = pa.array(clips)
        datasets = pa.array(rows.datasets, _TEXT).take(pa.array(side.datasets[clips]))
        texts = {"clip_id": side.clip_ids.take(at), "speaker": side.speakers.take(at), "dataset": datasets}
        return {name: _harmless(text) for name, text in texts.items()}

    def _reading(self, rows: Rows, side: Side, parts: Indices) -> dict[str, pa.Array]:
        dropped_by = pa.array([*rows.rules, None], _TEXT).take(pa.array(side.level[parts]))
        numbers: dict[str, Numbers] = {
            "track_index": side.track, "start_s": side.row_start_s, "end_s": side.row_end_s, "offset_frames": side.offset,
            "probability_at_offset": side.p, "offscreen_ratio": side.offscreen,
        }  # fmt: skip
        return {
            "failure": _harmless(pa.array(rows.reasons, _TEXT).take(pa.array(side.reason[parts]))),
            **{name: pa.array(values[parts], from_pandas=True) for name, values in numbers.items()},
            "is_kept": pa.array(side.level[parts] == len(rows.rules)),
            "dropped_by": dropped_by,
        }


def _what(differences: dict[str, Flags], n_rows: int) -> pa.Array:
    """For each row the names of what differs, joined by blanks."""
    names = [pc.if_else(pa.array(flags), name, pa.scalar(None, _TEXT)) for name, flags in differences.items()]
    return pc.binary_join_element_wise(*names, " ", null_handling="skip") if n_rows else pa.array([], _TEXT)


def _clips_of(side: Side, parts: Sequence[int] | Indices) -> Indices:
    return np.searchsorted(side.first_part, parts, side="right") - 1


def _nothing(n_rows: int) -> dict[str, pa.Array]:
    return {name: pa.nulls(n_rows, kind) for name, kind in _READING.items()}


def _harmless(text: pa.Array) -> pa.Array:
    """The texts, those that a spreadsheet would run behind an apostrophe."""
    return pc.if_else(pc.match_substring_regex(text, _FORMULA), pc.binary_join_element_wise("'", text, ""), text)
