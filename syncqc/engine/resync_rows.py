"""What was done to each clip, read from a journal or an earlier manifest, and written into the manifest of the new folder.

The rows are those of the manifest that was read, all of them, in their order. Where a part was cut into a file of its own, the times of its
rows (`start_s`, `end_s`, `onscreen`, and the images of the tracks) count from the beginning of that file.

Knows rows and files; no media, no engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from syncqc.clock import IMAGE_RATE_HZ
from syncqc.engine.resync import Decided
from syncqc.errors import Failure
from syncqc.manifest import store
from syncqc.manifest.columns import TRACKS_SCHEMA, schema
from syncqc.manifest.resync_status import ResyncStatus
from syncqc.manifest.row import Row
from syncqc.manifest.where import selected

NOTE = "resync: "
"""Before what is said of the repair in `detail`."""

_DONE_COLUMNS = (
    "clip_id", "part_index", "resync_status", "resync_shift_frames", "resync_pad_s", "resynced_path", "resynced_audio_path",
    "residual_offset_frames", "failure", "detail",
)  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """What became of one clip, or of one part of it."""

    status: ResyncStatus
    shift_frames: int | None = None
    pad_s: float | None = None
    path: str | None = None
    audio_path: str | None = None
    note: str | None = None
    residual_frames: int | None = None


Outcomes = dict[str, dict[int | None, Outcome]]
"""By clip_id, then by part where parts are cut, else under None."""


@dataclass
class Residual:
    """What measuring a written file again gave."""

    frames: int | None
    detail: str | None = None
    """Why there is no number, or how else the file was read."""


def outcomes_of(journal: Path, jobs: Mapping[str, bool]) -> Outcomes:
    """What the finished journal says; `jobs` are the clips that are asked for, and whether parts are cut."""
    found: Outcomes = {}
    for row in store.read_rows(journal, _DONE_COLUMNS):
        clip_id = cast(str, row["clip_id"])
        if clip_id not in jobs:
            continue
        if row["failure"] is not None:
            # The process that wrote it did not survive; nothing is known of the parts that were still to come.
            words = f"{Failure(cast(str, row['failure'])).meaning}: {row['detail']}"
            found.setdefault(clip_id, {})[None] = Outcome(ResyncStatus.FAILED, note=words)
        else:
            found.setdefault(clip_id, {})[cast(int, row["part_index"]) if jobs[clip_id] else None] = _outcome(row, row["detail"])
    return found


def outcomes_before(manifest: Path, jobs: Mapping[str, bool]) -> Outcomes:
    """What an earlier run did, as its manifest says; clips of which anything failed are left out."""
    found: Outcomes = {}
    failed = set()
    for row in store.read_rows(manifest, _DONE_COLUMNS):
        clip_id = cast(str, row["clip_id"])
        if clip_id not in jobs:
            continue
        if row["resync_status"] == ResyncStatus.FAILED:
            failed.add(clip_id)
        elif row["resynced_path"] is not None:
            _, mark, note = str(row["detail"] or "").partition(NOTE)
            found.setdefault(clip_id, {})[cast(int, row["part_index"]) if jobs[clip_id] else None] = _outcome(row, note if mark else None)
    return {clip_id: outcomes for clip_id, outcomes in found.items() if clip_id not in failed}


def residuals_of(journal: Path) -> dict[str, Residual]:
    """By file, its offset when it was measured again."""
    found: dict[str, Residual] = {}
    for row in store.read_rows(journal, ("clip_id", "clip_offset_frames", "failure", "detail")):
        path = cast(str, row["clip_id"])
        frames, failure = cast("int | None", row["clip_offset_frames"]), cast("str | None", row["failure"])
        if path not in found:
            words = row["detail"] if failure is None or frames is not None else f"{Failure(failure).meaning}: {row['detail']}"
            found[path] = Residual(frames, cast("str | None", words))
    return found


def write_manifest(manifest: Path, out: Path, clips: Iterable[Decided], outcomes: Outcomes, made_by: Mapping[str, object]) -> None:
    """`out` holds the rows of `manifest` with the columns of `resync`; it is there as a whole or not at all."""
    decided = {clip.clip_id: clip for clip in clips}
    of = schema()
    metadata = {**(of.metadata or {}), store.PROVENANCE_KEY: json.dumps(made_by, sort_keys=True).encode()}

    def write(aside: Path) -> None:
        with pq.ParquetWriter(aside, of.with_metadata(metadata), compression="zstd") as writer:
            for batch in selected(manifest):
                rows = [_filled(row, decided[row["clip_id"]], outcomes) for row in batch.to_pylist()]
                table = store.lines_table(rows, of).replace_schema_metadata(writer.schema.metadata)
                writer.write_table(table, row_group_size=store.ROWS_PER_GROUP)

    store.write_aside(out, write)


def write_cut_tracks(tracks: Path, out: Path, clips: Iterable[Decided]) -> None:
    """Beside `out`, the detected faces of the parts that were cut, their images counted from the beginning of each file."""
    first = {
        (clip.clip_id, cut.part_index): round(cut.start_s * IMAGE_RATE_HZ)
        for clip in clips
        if clip.job is not None
        for cut in clip.job.cuts
    }

    def write(aside: Path) -> None:
        with pq.ParquetFile(tracks) as file, pq.ParquetWriter(aside, file.schema_arrow, compression="zstd") as writer:
            for batch in file.iter_batches(batch_size=store.ROWS_PER_GROUP):
                begins = [
                    first.get(key) for key in zip(*(batch.column(name).to_pylist() for name in ("clip_id", "part_index")), strict=True)
                ]
                images = [
                    None if begin is None else image - begin for image, begin in zip(batch.column("image").to_pylist(), begins, strict=True)
                ]
                table = pa.Table.from_batches([batch])
                table = table.set_column(table.schema.get_field_index("image"), TRACKS_SCHEMA.field("image"), pa.array(images, pa.int32()))
                writer.write_table(table.filter(pa.array([begin is not None for begin in begins])).cast(file.schema_arrow))

    store.write_aside(store.tracks_path(out), write)


def _outcome(row: Row, note: object) -> Outcome:
    values: Any = row
    return Outcome(
        ResyncStatus(values["resync_status"]),
        values["resync_shift_frames"],
        values["resync_pad_s"],
        values["resynced_path"],
        values["resynced_audio_path"],
        cast("str | None", note),
        values["residual_offset_frames"],
    )


def _filled(row: dict[str, Any], clip: Decided, outcomes: Outcomes) -> Row:
    of_clip = outcomes.get(clip.clip_id, {})
    part = row["part_index"]
    done = of_clip.get(part) or of_clip.get(None) or Outcome(clip.status)
    filled: Row = row | {
        "resync_status": str(done.status),
        "resync_shift_frames": done.shift_frames,
        "resync_pad_s": done.pad_s,
        "resynced_path": done.path,
        "resynced_audio_path": done.audio_path,
        "residual_offset_frames": done.residual_frames,
    }
    if done.note:
        said = str(row["detail"] or "").partition(NOTE)[0].removesuffix("; ")
        filled["detail"] = "; ".join(words for words in (said, NOTE + done.note) if words)
    if done.path is not None and clip.job is not None and clip.job.cuts:
        _count_from(filled, next(cut.start_s for cut in clip.job.cuts if cut.part_index == part))
    return filled


def _count_from(row: dict[str, Any], begin_s: float) -> None:
    """Times of the row on the clock of a file that begins at `begin_s` of the clip."""
    for name in ("start_s", "end_s"):
        row[name] = None if row[name] is None else _later(row[name], -begin_s)
    if row["onscreen"] is not None:
        row["onscreen"] = [{name: _later(time_s, -begin_s) for name, time_s in stretch.items()} for stretch in row["onscreen"]]


def _later(time_s: float, by_s: float) -> float:
    """Images lie at whole multiples of 1/25 s; so stay their times."""
    return round((time_s + by_s) * 1000) / 1000
