"""A manifest a few ten thousand rows at a time, clips whole, in constant memory; and how long rows are.

Knows the columns that say where a row is; nothing of rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from syncqc.errors import UsageError
from syncqc.manifest.rules import WHERE_COLUMN
from syncqc.manifest.where import full_schema, is_met

ROWS_AT_ONCE = 60_000
PLACE_COLUMNS = ("clip_id", "part_index", "start_s", "end_s", "speaker")

Indices = npt.NDArray[np.int64]
Seconds = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """Rows of whole clips, as they stand in the manifest, at least one."""

    table: pa.Table

    @cached_property
    def clip_starts(self) -> Indices:
        """The first row of each clip."""
        return _starts(_changes(self.column("clip_id")))

    @cached_property
    def part_starts(self) -> Indices:
        """The first row of each part."""
        parts = pc.fill_null(self.column("part_index"), -1).to_numpy()
        is_new = np.concatenate([[True], parts[1:] != parts[:-1]])
        is_new[self.clip_starts] = True
        return np.flatnonzero(is_new)

    @cached_property
    def starts_s(self) -> Seconds:
        """Where each row begins; 0 where that is not known, which makes the row 0 s long."""
        return self._spans_s[0]

    @cached_property
    def ends_s(self) -> Seconds:
        """Where each row ends."""
        return self._spans_s[1]

    @cached_property
    def _spans_s(self) -> tuple[Seconds, Seconds]:
        starts, ends = (self.column(name).to_numpy(zero_copy_only=False) for name in ("start_s", "end_s"))
        is_known = ~(np.isnan(starts) | np.isnan(ends))
        return np.where(is_known, starts, 0.0), np.where(is_known, ends, 0.0)

    def column(self, name: str) -> pa.Array:
        """The values of a column, in one piece."""
        return _in_one(self.table.column(name))

    def covered_s(self, levels: npt.NDArray[np.int64], n_levels: int) -> Seconds:
        """For each k below `n_levels`: of how many seconds is there a row whose level is at least k.

        What several tracks of a part cover counts once.
        """
        lengths = np.maximum(self.ends_s - self.starts_s, 0)
        n_rows = np.diff(self.part_starts, append=len(levels))
        is_alone = np.repeat(n_rows == 1, n_rows)
        exactly = np.bincount(levels[is_alone], lengths[is_alone], n_levels)
        covered: Seconds = np.cumsum(exactly[::-1], dtype=np.float64)[::-1]
        crowd = np.flatnonzero(~is_alone)
        if len(crowd):
            parts = np.repeat(np.arange(len(n_rows)), n_rows)[crowd]
            crowd = crowd[np.lexsort((self.starts_s[crowd], parts))]
            parts = np.sort(parts)
            for level in range(n_levels):
                is_in = levels[crowd] >= level
                covered[level] += float(newly_covered_s(parts[is_in], self.starts_s[crowd[is_in]], self.ends_s[crowd[is_in]]).sum())
        return covered


def whole_clips(manifest: Path, columns: Sequence[str] | None = None, where: str | None = None) -> Iterator[Block]:
    """All rows of a manifest sorted by clip_id, in their order, no clip in two blocks.

    `columns`: those to read beside the ones that say where a row is; None: all, also those that only this file has. A column that
    an older manifest lacks is null. With `where` there is one more, `WHERE_COLUMN`: whether the row meets the condition.

    Raises:
        UsageError: no manifest, a condition that cannot be carried out, or rows that are not sorted by clip_id.
    """
    of = full_schema(manifest)
    if columns is not None:
        of = pa.schema([of.field(name) for name in dict.fromkeys((*PLACE_COLUMNS, *columns))])
    met = None if where is None else _Pieces(is_met(manifest, where))
    waiting: list[pa.Table] = []
    for table in _tables(manifest, of):
        if met is not None:
            table = table.append_column(WHERE_COLUMN, met.take(table.num_rows))
        clip_ids = _in_one(table.column("clip_id"))
        _refuse_unsorted(manifest, waiting[-1].column("clip_id")[-1].as_py() if waiting else None, clip_ids)
        starts = _starts(_changes(clip_ids))
        if waiting and waiting[-1].column("clip_id")[-1] != clip_ids[0]:
            yield Block(pa.concat_tables(waiting))
            waiting = []
        if len(starts) > 1:
            yield Block(pa.concat_tables([*waiting, table.slice(0, starts[-1])]))
            waiting = []
        waiting.append(table.slice(starts[-1]))
    if waiting:
        yield Block(pa.concat_tables(waiting))


def newly_covered_s(parts: Indices, starts_s: Seconds, ends_s: Seconds) -> Seconds:
    """Per row the time that it covers and no row of its part before it does; the rows are sorted by part, then start."""
    if not len(parts):
        return np.zeros(0)
    # Parts are set apart on one axis, so that one running maximum serves them all.
    step = float(ends_s.max() - min(starts_s.min(), 0.0)) + 1.0
    starts, ends = starts_s + parts * step, ends_s + parts * step
    reached = np.concatenate([[-np.inf], np.maximum.accumulate(ends)[:-1]])
    covered: Seconds = np.maximum(ends - np.maximum(starts, reached), 0)
    return covered


class _Pieces:
    """Arrays of any lengths, given out in the lengths that are asked for."""

    def __init__(self, pieces: Iterator[pa.Array]) -> None:
        self._pieces, self._left = pieces, pa.array([], pa.bool_())

    def take(self, n: int) -> pa.ChunkedArray:
        taken = []
        while n:
            if not len(self._left):
                self._left = next(self._pieces)
            taken.append(self._left.slice(0, n))
            self._left = self._left.slice(len(taken[-1]))
            n -= len(taken[-1])
        return pa.chunked_array(taken, pa.bool_())


def _tables(manifest: Path, of: pa.Schema) -> Iterator[pa.Table]:
    """The rows in tables of about `ROWS_AT_ONCE`, none empty; the next one is read while one is in use."""
    with pq.ParquetFile(manifest) as file, ThreadPoolExecutor(1) as reader:
        there = [name for name in of.names if name in file.schema_arrow.names]
        bundles = _bundles(file)
        coming: Future[pa.Table] | None = None
        for bundle in [*bundles, None]:
            ready = coming
            coming = None if bundle is None else reader.submit(file.read_row_groups, bundle, there)
            if ready is not None:
                yield from _pieces_of(ready.result(), of)


def _pieces_of(table: pa.Table, of: pa.Schema) -> Iterator[pa.Table]:
    table = pa.Table.from_arrays([_as(table, field) for field in of], schema=of)
    for start in range(0, table.num_rows, ROWS_AT_ONCE):
        yield table.slice(start, ROWS_AT_ONCE)


def _as(table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    """The column as it is today; null where the file has none."""
    if field.name not in table.schema.names:
        return pa.chunked_array([pa.nulls(table.num_rows, field.type)])
    column = table.column(field.name)
    return column if column.type == field.type else column.cast(field.type)


def _bundles(file: pq.ParquetFile) -> list[list[int]]:
    """The row groups, as many together as hold at most `ROWS_AT_ONCE` rows, or one."""
    bundles: list[list[int]] = []
    n_rows = 0
    for group in range(file.num_row_groups):
        n = file.metadata.row_group(group).num_rows
        if not bundles or n_rows + n > ROWS_AT_ONCE:
            bundles.append([])
            n_rows = 0
        bundles[-1].append(group)
        n_rows += n
    return bundles


def _refuse_unsorted(manifest: Path, before: str | None, clip_ids: pa.Array) -> None:
    is_falling = pc.any(pc.less(clip_ids[1:], clip_ids[:-1])).as_py() if len(clip_ids) > 1 else False
    if is_falling or (before is not None and clip_ids[0].as_py().encode() < before.encode()):
        raise UsageError(f"the rows of {manifest} are not sorted by clip_id; `syncqc merge {manifest} --out SORTED` sorts them")


def _changes(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Whether each value, from the second on, differs from the one before it."""
    changes: npt.NDArray[np.bool_] = pc.not_equal(values[1:], values[:-1]).to_numpy(zero_copy_only=False)
    return changes


def _starts(changes: npt.NDArray[np.bool_]) -> Indices:
    return np.concatenate([[0], np.flatnonzero(changes) + 1])


def _in_one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
