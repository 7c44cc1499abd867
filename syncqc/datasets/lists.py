"""Lists of clips as files: a path per line (``.txt``), or columns (``.csv``, ``.parquet``, a manifest of syncqc).

Columns are those of `Clip`; only ``path`` must be there. Paths are looked for beside the list, then under the current folder. A
manifest gives each of its clips once, with the video that was scored. Opens lists, never clips.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from syncqc.datasets.listing import named
from syncqc.errors import UsageError, unknown_name
from syncqc.manifest.row import Clip
from syncqc.manifest.store import PROVENANCE_KEY, path_on_disk, storable

LIST_COLUMNS = ("path", *sorted(item.name for item in fields(Clip) if item.name != "path"))
_SUFFIXES = (".txt", ".csv", ".parquet")

Line = Mapping[str, object]


def is_list(source: Path) -> bool:
    """Whether the file's suffix says that it is a list."""
    return source.suffix.lower() in _SUFFIXES


def clips_in_list(source: Path) -> list[Clip]:
    """The clips that a list names, in its order; whether they are there is not looked at.

    Raises:
        UsageError: it is no such list, a column is unknown, or a value is none that its column can have.
    """
    match source.suffix.lower():
        case ".txt":
            found = [(_name_of(entry), find(entry, source.parent)) for entry in _lines(source)]
            return [Clip(clip_id, path) for clip_id, path in named(found)]
        case ".csv":
            return _clips_of(source, _csv_lines(source))
    with _parquet(source) as file:
        if PROVENANCE_KEY in (file.schema_arrow.metadata or {}):
            return [_clip(line, "", source.parent, f"{source}") for line in _clips_of_manifest(file)]
        _check_columns(source, file.schema_arrow.names)
        batches = file.iter_batches()
        lines = enumerate((line for batch in batches for line in batch.to_pylist()), start=1)
        return _clips_of(source, ((f"{source}, row {number}", line) for number, line in lines))


def find(entry: str, folder: Path) -> str:
    """Where the entry of a list is: beside the list, else under the current folder."""
    beside = os.path.join(folder, entry) if str(folder) != "." else entry  # noqa: PTH118  (strings: there may be a million)
    return entry if not os.path.exists(beside) and os.path.exists(entry) else beside  # noqa: PTH110


def _name_of(entry: str) -> str:
    """The entry of a list as a relative path that stays inside: without drive, leading ``/`` or ``..``."""
    parts = [part for part in Path(os.path.normpath(entry)).parts if part not in ("/", "..", ".")]
    return str(PurePosixPath(*parts))


def _lines(source: Path) -> list[str]:
    text = source.read_text(encoding="utf-8", errors="surrogateescape").removeprefix("\ufeff")
    return [line.removesuffix("\r") for line in text.split("\n") if line.strip()]


def _csv_lines(source: Path) -> Iterator[tuple[str, Line]]:
    """Every line that names a path, with where it stands."""
    with source.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        table = csv.DictReader(_without_mark(file))
        _check_columns(source, table.fieldnames or [])
        for line in table:
            if line["path"]:
                yield f"{source}, line {table.line_num}", line


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield line.removeprefix("\ufeff") if number == 0 else line


def _check_columns(source: Path, columns: Iterable[str]) -> None:
    columns = list(columns)
    for column in columns:
        if column not in LIST_COLUMNS:
            raise unknown_name(f"column of {source.name}", column, LIST_COLUMNS)
    if "path" not in columns:
        raise UsageError(f"{source} has no column 'path'{' in its first line' if source.suffix.lower() == '.csv' else ''}")


def _parquet(source: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(source)
    except (OSError, pa.ArrowException):
        raise UsageError(f"{source} is no Parquet file") from None


def _clips_of_manifest(file: pq.ParquetFile) -> Iterator[dict[str, object]]:
    """The first row of every clip; a clip's rows are mostly, but need not be, one after another."""
    columns = [name for name in LIST_COLUMNS if name in file.schema_arrow.names]
    seen: set[str] = set()
    for batch in file.iter_batches(columns=columns):
        first: list[int] = []
        for i, clip_id in enumerate(batch.column(columns.index("clip_id")).to_pylist()):
            if clip_id not in seen:
                seen.add(clip_id)
                first.append(i)
        for line in batch.take(pa.array(first, pa.int64())).to_pylist():
            yield {**line, **{name: _opened(line.get(name)) for name in ("path", "audio_path")}}


def _opened(stored: str | None) -> str | None:
    return stored if stored is None else path_on_disk(stored)


def _clips_of(source: Path, lines: Iterable[tuple[str, Line]]) -> list[Clip]:
    placed = [(where, line) for where, line in lines if line["path"]]
    names = {path: clip_id for clip_id, path in named((_name_of(str(line["path"])), str(Path(str(line["path"])))) for _, line in placed)}
    return [_clip(line, names[str(Path(str(line["path"])))], source.parent, where) for where, line in placed]


def _clip(line: Line, name: str, folder: Path, where: str) -> Clip:
    texts = {key: str(line[key]) if line.get(key) else None for key in ("audio_path", "dataset", "speaker", "split")}
    sound = texts["audio_path"]
    start_s = _number(line, "audio_start_s", where)
    x, y = _share(line, "listed_face_x", where), _share(line, "listed_face_y", where)
    if (x is None) != (y is None):
        raise UsageError(f"{where}: listed_face_x and listed_face_y need each other")
    if start_s is not None and sound is None:
        raise UsageError(f"{where}: audio_start_s speaks of the file of audio_path, and there is none")
    return Clip(
        clip_id=storable(str(line.get("clip_id") or name)),
        path=find(str(line["path"]), folder),
        audio_path=find(sound, folder) if sound else None,
        dataset=texts["dataset"],
        speaker=texts["speaker"],
        split=texts["split"],
        audio_start_s=start_s,
        dataset_offset_frames=_whole(line, "dataset_offset_frames", where),
        listed_face_x=x,
        listed_face_y=y,
    )


def _number(line: Line, column: str, where: str) -> float | None:
    value = line.get(column)
    if value is None or value == "":
        return None
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if math.isnan(number) and not isinstance(value, float):
        raise UsageError(f"{where}: {column} is {value!r}, which is no number")
    if math.isinf(number):
        raise UsageError(f"{where}: {column} is infinite")
    return None if math.isnan(number) else number


def _whole(line: Line, column: str, where: str) -> int | None:
    number = _number(line, column, where)
    if number is not None and number != int(number):
        raise UsageError(f"{where}: {column} is {number:g}, which is no whole number of images")
    return None if number is None else int(number)


def _share(line: Line, column: str, where: str) -> float | None:
    number = _number(line, column, where)
    if number is not None and not 0 <= number <= 1:
        raise UsageError(f"{where}: {column} is {number:g}, not a share of the picture from 0 to 1")
    return number
