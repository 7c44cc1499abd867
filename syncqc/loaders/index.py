"""The rows of a manifest that a loader serves, in compact columns: some 50 bytes per row, and each path and clip_id once.

Knows the manifest; no media file is opened. Numbers are numpy arrays and text is Arrow's, so that millions of rows are no millions
of Python objects: workers that are forked share them, workers that are spawned get them in one piece.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from syncqc.clock import IMAGE_RATE_HZ
from syncqc.errors import UsageError
from syncqc.loaders.settings import LoaderSettings
from syncqc.manifest.store import path_on_disk
from syncqc.manifest.where import selected

log = logging.getLogger(__name__)

DEFAULT_WHERE = "dropped_by IS NULL"
"""What `syncqc filter` left; where it was never asked, all."""

_COLUMNS = (
    "clip_id", "path", "audio_path", "audio_start_s", "part_index", "track_index", "start_s", "n_images", "is_chosen_track",
    "offset_frames", "clip_offset_frames", "is_offset_drifting", "resync_shift_frames", "resync_pad_s",
    "resynced_path", "resynced_audio_path", "failure",
)  # fmt: skip
_TEXTS = ("clip_id", "path", "audio_path")
_NUMBERS = {
    "part_index": np.int32, "track_index": np.int32, "first_image": np.int32, "n_images": np.int32, "shift_frames": np.int32,
    "audio_start_s": np.float64, "pad_s": np.float32,
}  # fmt: skip


class Segment(NamedTuple):
    """One row: where its pictures and its sound are, and by how much the sound has still to be delayed."""

    clip_id: str
    path: str
    """As it is on the disk."""
    audio_path: str | None
    """The file with the sound where that is not the video."""
    part_index: int
    track_index: int
    """-1 where no face was found."""
    first_image: int
    n_images: int
    shift_frames: int
    audio_start_s: float
    """Time in the file of `audio_path` that belongs to the start of the video file."""
    pad_s: float
    """Silence that was put into the file: > 0 at its beginning, < 0 at its end."""


class SegmentIndex:
    """The rows to serve, in the order of the manifest."""

    def __init__(self, manifest: Path, where: str | None, settings: LoaderSettings) -> None:
        """Reads the manifest once; what is left out is logged.

        Raises:
            UsageError: no manifest, a wrong condition, or no row is left.
        """
        self.n_too_short = 0
        self.n_without_offset = 0
        self.n_drifting = 0
        self._moved = settings.moved
        batches = selected(manifest, DEFAULT_WHERE if where is None else where, _COLUMNS)
        pieces = [piece for batch in batches for piece in self._kept(batch, settings)]
        if not pieces:
            raise UsageError(f"{manifest} holds no row to load: {self._left_out() or 'none is measured, chosen and meets the condition'}")
        table = pa.Table.from_batches(pieces).unify_dictionaries().combine_chunks()
        self._texts = {name: table.column(name).chunk(0) for name in _TEXTS}
        self._numbers = {name: np.ascontiguousarray(table.column(name).to_numpy(), of) for name, of in _NUMBERS.items()}
        if self._left_out():
            log.warning("%s: %s", manifest, self._left_out())

    def __len__(self) -> int:
        return len(self._numbers["first_image"])

    def __getitem__(self, i: int) -> Segment:
        numbers = {name: values[i].item() for name, values in self._numbers.items()}
        clip_id, path, audio_path = (self._text(name, i) for name in _TEXTS)
        assert clip_id is not None and path is not None
        return Segment(clip_id, self._found(path), None if audio_path is None else self._found(audio_path), **numbers)

    @property
    def n_images(self) -> npt.NDArray[np.int32]:
        """Images of each row, (n,)."""
        return self._numbers["n_images"]

    @property
    def clips(self) -> npt.NDArray[np.int32]:
        """A number per row (n,) that rows of one clip share, from 0."""
        return np.asarray(self._texts["clip_id"].indices, np.int32)

    def digest(self) -> str:
        """The same for the same rows in the same order, whatever is loaded from them."""
        found = hashlib.sha256()
        for name in ("part_index", "track_index", "first_image", "n_images"):
            found.update(self._numbers[name].tobytes())
        found.update(self.clips.tobytes())
        for clip_id in self._texts["clip_id"].dictionary:
            found.update(clip_id.as_buffer())
        return found.hexdigest()[:16]

    def _text(self, name: str, i: int) -> str | None:
        text: str | None = self._texts[name][i].as_py()
        return text

    def _found(self, stored: str) -> str:
        """Where a file of the manifest is now."""
        path = Path(path_on_disk(stored))
        for then, now in self._moved:
            if path.is_relative_to(then):
                return str(Path(now) / path.relative_to(then))
        return str(path)

    def _left_out(self) -> str:
        """What was left out, and what must be known of what was not."""
        said = []
        if self.n_too_short:
            said.append(f"{self.n_too_short} rows are left out because they are shorter than n_images")
        if self.n_without_offset:
            said.append(f"{self.n_without_offset} rows are left out because their clip has no offset")
        if self.n_drifting:
            said.append(f"{self.n_drifting} rows are of clips whose offset drifts, so that one shift does not fit all of them")
        return "; ".join(said)

    def _kept(self, batch: pa.RecordBatch, settings: LoaderSettings) -> Iterator[pa.RecordBatch]:
        """The rows of the batch that are served, with the columns of the index; none, or one batch."""
        is_wanted = pc.and_(batch.column("failure").is_null(), pc.greater(pc.fill_null(batch.column("n_images"), 0), 0))
        is_wanted = pc.and_(is_wanted, batch.column("offset_frames").is_valid())
        if settings.rows == "chosen":
            is_wanted = pc.and_(is_wanted, pc.fill_null(batch.column("is_chosen_track"), False))
        batch = batch.filter(is_wanted)
        shift = _shift(batch, settings)
        self.n_without_offset += shift.null_count
        batch, shift = batch.filter(shift.is_valid()), shift.drop_null()
        if settings.n_images is not None:
            is_long = pc.greater_equal(batch.column("n_images"), settings.n_images)
            self.n_too_short += is_long.false_count
            batch, shift = batch.filter(is_long), shift.filter(is_long)
        if settings.offset == "clip":
            self.n_drifting += batch.column("is_offset_drifting").true_count
        if batch.num_rows:
            yield _columns(batch, shift)


def _is_resynced(batch: pa.RecordBatch) -> pa.Array:
    return pc.or_(batch.column("resynced_path").is_valid(), batch.column("resynced_audio_path").is_valid())


def _shift(batch: pa.RecordBatch, settings: LoaderSettings) -> pa.Array:
    """By how many images the sound has to be delayed; null where that is not known."""
    if settings.offset == "none":
        return pa.array(np.zeros(batch.num_rows, np.int32))
    offset = batch.column("clip_offset_frames" if settings.offset == "clip" else "offset_frames")
    done = pc.if_else(_is_resynced(batch), pc.fill_null(batch.column("resync_shift_frames"), 0), 0)
    return pc.subtract(offset, done)


def _columns(batch: pa.RecordBatch, shift: pa.Array) -> pa.RecordBatch:
    is_resynced = _is_resynced(batch)
    first_image = np.rint(batch.column("start_s").to_numpy(zero_copy_only=False) * IMAGE_RATE_HZ).astype(np.int32)
    audio_start_s = pc.if_else(is_resynced, 0.0, pc.fill_null(batch.column("audio_start_s"), 0.0))
    found = {
        "clip_id": batch.column("clip_id"),
        "path": pc.coalesce(batch.column("resynced_path"), batch.column("path")),
        "audio_path": pc.if_else(is_resynced, batch.column("resynced_audio_path"), batch.column("audio_path")),
        "part_index": pc.fill_null(batch.column("part_index"), 0),
        "track_index": pc.fill_null(batch.column("track_index"), -1),
        "first_image": pa.array(first_image),
        "n_images": batch.column("n_images"),
        "shift_frames": shift,
        "audio_start_s": audio_start_s,
        "pad_s": pc.if_else(is_resynced, pc.fill_null(batch.column("resync_pad_s"), 0.0), 0.0),
    }
    columns = [found[name].dictionary_encode() for name in _TEXTS] + [found[name] for name in _NUMBERS]
    return pa.RecordBatch.from_arrays(columns, names=[*_TEXTS, *_NUMBERS])
