"""Manifests and their sidecars as Parquet files: written aside and renamed, merged in constant memory, read back.

Knows columns and rows; neither stages nor how a run is carried out.

Beside ``manifest.parquet`` lie ``manifest.parquet.tracks.parquet`` (one line per detected face) and, where it was asked for,
``manifest.parquet.similarity.parquet`` (whole similarity matrices).
"""

from __future__ import annotations

import json
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from syncqc.errors import UsageError
from syncqc.manifest.aside import written_aside
from syncqc.manifest.columns import schema
from syncqc.manifest.row import Row, complete

PROVENANCE_KEY = b"syncqc"
TRACKS_KEY = "tracks"
"""In the metadata of a manifest that was made from another one: where that one's faces are."""
ROWS_PER_GROUP = 10_000
_GROUPS_IN_MEMORY = 32
COMPRESSION = "zstd"

SIMILARITY_SCHEMA = pa.schema(
    [
        pa.field("clip_id", pa.string()),
        pa.field("part_index", pa.int32()),
        pa.field("track_index", pa.int32()),
        pa.field("w", pa.int32(), metadata={"meaning": "largest shift searched, images"}),
        pa.field("n_windows", pa.int32()),
        pa.field("matrix", pa.binary(), metadata={"meaning": "little-endian float16, (2 w + 1, n_windows) row by row"}),
    ]
)


Place = tuple[int, int, int, int]
"""Source, row group, first line, number of lines."""


def tracks_path(manifest: Path) -> Path:
    """Where the detected faces of a manifest are kept."""
    return manifest.with_name(manifest.name + ".tracks.parquet")


def tracks_of(manifest: Path) -> Path | None:
    """The file with the detected faces of a manifest's rows; None where there is none.

    It lies beside the manifest, or, where the manifest was made from another one, where its metadata says (`tracks_from`): seen
    from the manifest's folder, else in that folder.

    Raises:
        UsageError: the file is missing, no Parquet, or no manifest of syncqc.
    """
    named = provenance(manifest).get(TRACKS_KEY)
    places = [tracks_path(manifest)]
    if named is not None:
        places += [manifest.parent / named, manifest.with_name(Path(named).name)]
    return next((place for place in places if place.is_file()), None)


def tracks_from(source: Path, made: Path) -> dict[str, str]:
    """What the metadata of `made`, a manifest of rows of `source`, has to hold so that `tracks_of` finds their faces.

    A path relative to the folder of `made`, so that both can be moved together; nothing where `source` has none.
    """
    tracks = tracks_of(source)
    return {} if tracks is None else {TRACKS_KEY: os.path.relpath(tracks.resolve(), made.parent.resolve())}


def similarity_path(manifest: Path) -> Path:
    """Where the similarity matrices of a manifest are kept."""
    return manifest.with_name(manifest.name + ".similarity.parquet")


def storable(text: str) -> str:
    r"""The text as UTF-8 can hold it: bytes of a file name that are no UTF-8 become ``\udc80`` ... ``\udcff``, spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def path_on_disk(stored: str) -> str:
    """The path to open for a stored one: the inverse of `storable` for file names of any bytes."""
    return re.sub(r"\\udc([89a-f][0-9a-f])", lambda found: chr(0xDC00 + int(found[1], 16)), stored)


def table_of(rows: Iterable[Mapping[str, object]]) -> pa.Table:
    """The rows with every column of the manifest; what is not a number (nan) is null.

    Raises:
        UsageError: a row holds something that is no column.
    """
    return lines_table([complete(row) for row in rows], schema())


def lines_table(lines: Sequence[Mapping[str, object]], of: pa.Schema) -> pa.Table:
    """The lines as a table of that schema; text is made storable, nan becomes null."""
    return pa.Table.from_arrays([_array([line.get(field.name) for line in lines], field.type) for field in of], schema=of)


def write_table(path: Path, table: pa.Table) -> None:
    """The file is there as a whole and on the disk, or not at all."""
    write_aside(path, lambda aside: pq.write_table(table, aside, compression=COMPRESSION, row_group_size=ROWS_PER_GROUP))


def write_aside(path: Path, write: Callable[[Path], None]) -> None:
    """What `write` puts into the path it is given is renamed to `path` when it is safely on the disk."""
    with written_aside(path) as aside:
        write(aside)


def provenance(manifest: Path) -> dict[str, Any]:
    """What made the manifest, and when: versions, model, settings, `finished_at` in UTC.

    Raises:
        UsageError: the file is missing, no Parquet, or no manifest of syncqc.
    """
    try:
        found = (pq.read_schema(manifest).metadata or {}).get(PROVENANCE_KEY)
    except FileNotFoundError:
        raise UsageError(f"there is no manifest {manifest}") from None
    except (OSError, pa.ArrowException):
        raise UsageError(f"{manifest} is not a manifest (not a Parquet file)") from None
    if found is None:
        raise UsageError(f"{manifest} is a Parquet file, but not a manifest written by syncqc")
    known: dict[str, Any] = json.loads(found)
    return known


def refuse_unfinished(manifest: Path) -> None:
    """Nothing, when no run is still to come to its end.

    Raises:
        UsageError: rows of a run lie beside the manifest.
    """
    if next(manifest.with_name(manifest.name + ".parts").glob("rows-*.parquet"), None) is not None:
        raise UsageError(f"{manifest} is not finished; run its `syncqc score` again first")


def read_clip_ids(files: Iterable[Path]) -> Iterator[str]:
    """The clip_ids in the files, in their order, runs of equal ones once; only that column is read, a row group at a time."""
    for path in files:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield from _runs(file, group).column("clip_id").to_pylist()


def read_rows(manifest: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """The rows of a manifest one by one, a row group in memory; all columns, or those named."""
    with pq.ParquetFile(manifest) as file:
        for batch in file.iter_batches(batch_size=ROWS_PER_GROUP, columns=None if columns is None else list(columns)):
            yield from batch.to_pylist()


def merge(sources: Sequence[Path], out: Path, of: pa.Schema, made_by: Mapping[str, object]) -> int:
    """One file with the lines of all sources sorted by clip_id, a clip's lines in their order; gives the number of lines.

    A clip that is in several sources is taken from the last of them. In memory are one clip_id and three numbers per clip and
    a few row groups, however many lines there are.
    """
    written = 0

    def write(aside: Path) -> None:
        nonlocal written
        metadata = {**(of.metadata or {}), PROVENANCE_KEY: json.dumps(made_by, sort_keys=True).encode()}
        with pq.ParquetWriter(aside, of.with_metadata(metadata), compression=COMPRESSION) as writer:
            for table in _in_order(sources, of):
                writer.write_table(table.replace_schema_metadata(writer.schema.metadata), row_group_size=ROWS_PER_GROUP)
                written += table.num_rows

    write_aside(out, write)
    return written


def _in_order(sources: Sequence[Path], of: pa.Schema) -> Iterator[pa.Table]:
    """The lines of all sources in their final order, in tables of about `ROWS_PER_GROUP`."""
    groups = _Groups(sources, of)
    waiting: list[Place] = []
    n_waiting = 0
    for place in _places(sources):
        waiting.append(place)
        n_waiting += place[3]
        if n_waiting >= ROWS_PER_GROUP:
            yield _gathered(waiting, groups)
            waiting, n_waiting = [], 0
    if waiting:
        yield _gathered(waiting, groups)


def _gathered(places: list[Place], groups: _Groups) -> pa.Table:
    """The lines of the places in the order of the places; each row group is visited once."""
    wanted: dict[tuple[int, int], list[npt.NDArray[np.int64]]] = {}
    ranks: dict[tuple[int, int], list[npt.NDArray[np.int64]]] = {}
    at = 0
    for source, group, start, length in places:
        wanted.setdefault((source, group), []).append(np.arange(start, start + length))
        ranks.setdefault((source, group), []).append(np.arange(at, at + length))
        at += length
    lines = pa.concat_tables([groups.table(*key).take(pa.array(np.concatenate(found))) for key, found in wanted.items()])
    order = np.argsort(np.concatenate([rank for found in ranks.values() for rank in found]))
    return lines.combine_chunks().take(pa.array(order))


def _places(sources: Sequence[Path]) -> Iterator[Place]:
    """Source, row group, first line and number of lines of every run of one clip_id, sorted by clip_id, the last source only."""
    found = []
    for number, path in enumerate(sources):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                runs = _runs(file, group)
                n = len(runs)
                found.append(runs.append_column("source", pa.repeat(number, n)).append_column("group", pa.repeat(group, n)))
    if not found:
        return
    by = [("clip_id", "ascending"), ("source", "descending"), ("group", "ascending"), ("start", "ascending")]
    runs = pa.concat_tables(found).sort_by(by)
    clip_id, taken_from = None, -1
    for batch in runs.to_batches(max_chunksize=ROWS_PER_GROUP):
        for run in batch.to_pylist():
            if run["clip_id"] != clip_id:
                clip_id, taken_from = run["clip_id"], run["source"]
            if run["source"] == taken_from:
                yield run["source"], run["group"], run["start"], run["length"]


def _runs(file: pq.ParquetFile, group: int) -> pa.Table:
    """clip_id, start and length of each run of equal clip_ids in a row group."""
    encoded = pc.run_end_encode(file.read_row_group(group, columns=["clip_id"]).column("clip_id").combine_chunks())
    ends = encoded.run_ends.cast(pa.int64())
    starts = pa.concat_arrays([pa.array([0], pa.int64()), ends[:-1]]) if len(ends) else ends
    return pa.table({"clip_id": encoded.values, "start": starts, "length": pc.subtract(ends, starts)})


class _Groups:
    """Row groups of several files, the most recently used ones kept."""

    def __init__(self, sources: Sequence[Path], of: pa.Schema) -> None:
        self._sources, self._schema = sources, of
        self._kept: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()

    def table(self, source: int, group: int) -> pa.Table:
        table = self._kept.get((source, group))
        if table is None:
            with pq.ParquetFile(self._sources[source]) as file:
                table = file.read_row_group(group).select(self._schema.names).cast(self._schema)
            self._kept[source, group] = table
            if len(self._kept) > _GROUPS_IN_MEMORY:
                self._kept.popitem(last=False)
        self._kept.move_to_end((source, group))
        return table


def _array(values: list[object], of: pa.DataType) -> pa.Array:
    if pa.types.is_string(of):
        values = [storable(str(value)) if value is not None else None for value in values]
    return pa.array(values, of, from_pandas=True)
