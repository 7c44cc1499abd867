"""Boxes and landmarks of a row's face on each of its images, from what was stored when the clips were measured.

Knows no detector: `<manifest>.tracks.parquet` holds what it found. Rows are found by the clip_ids that each row group says it
spans; a few row groups are kept in memory, so that the rows of one clip cost one reading.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from syncqc.errors import UsageError
from syncqc.faces.detector import F32
from syncqc.faces.track import FaceTrack, boxes_per_image, landmarks_per_image
from syncqc.loaders.index import Segment
from syncqc.manifest.columns import TRACKS_SCHEMA
from syncqc.manifest.store import storable

_GROUPS_IN_MEMORY = 4


@dataclass(frozen=True)
class Face:
    """One face on consecutive images."""

    boxes_px: F32
    """(n, 4), left, top, right, bottom in pixels of the shown picture."""
    landmarks_px: F32
    """(n, 5, 2), in pixels of the shown picture."""


class StoredFaces:
    """The detected faces of a manifest, read as they are asked for."""

    def __init__(self, tracks: Path, smooth_images: float) -> None:
        """Reads no more than the file's own table of contents.

        Raises:
            UsageError: the file is missing or holds no tracks.
        """
        self._tracks, self._smooth_images = tracks, smooth_images
        self._forget()
        try:
            file = self._opened()
        except FileNotFoundError:
            raise UsageError(f"faces and mouths are cut from stored landmarks, and there is no {tracks}") from None
        except (OSError, pa.ArrowException):
            raise UsageError(f"{tracks} holds no tracks (not a Parquet file)") from None
        if not set(TRACKS_SCHEMA.names) <= set(file.schema_arrow.names):
            raise UsageError(f"{tracks} holds no tracks")
        spans = [_span(file, group) for group in range(file.num_row_groups)]
        self._firsts, self._lasts = [span[0] for span in spans], [span[1] for span in spans]
        self._is_sorted = all(a <= b for a, b in pairwise(self._firsts)) and all(a <= b for a, b in pairwise(self._lasts))

    def of(self, segment: Segment, first_image: int, n_images: int) -> Face:
        """The face of the row on these images of its clip.

        Raises:
            UsageError: the file holds nothing about them: it belongs to another manifest.
        """
        track = self._track(segment)
        begin = first_image - track.images[0] if track.images else -1
        if begin < 0 or begin + n_images > track.n_images:
            raise UsageError(
                f"{self._tracks} holds no face for images {first_image} to {first_image + n_images - 1} of {segment.clip_id}, part "
                f"{segment.part_index}, track {segment.track_index}: does it belong to the manifest?"
            )
        boxes = boxes_per_image(track, self._smooth_images)[begin : begin + n_images]
        return Face(boxes, landmarks_per_image(track, self._smooth_images)[begin : begin + n_images])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_kept": OrderedDict(), "_process": None}

    def _forget(self) -> None:
        self._file: pq.ParquetFile | None = None
        self._kept: OrderedDict[int, pa.Table] = OrderedDict()
        self._process: int | None = None

    def _opened(self) -> pq.ParquetFile:
        # A file that was opened before a fork would share its position with the other process.
        if self._file is None or self._process != os.getpid():
            self._forget()
            self._file, self._process = pq.ParquetFile(self._tracks), os.getpid()
        return self._file

    def _track(self, segment: Segment) -> FaceTrack:
        lines = [_lines(self._group(group), segment) for group in self._groups(storable(segment.clip_id))]
        table = pa.concat_tables(lines).sort_by("image") if lines else TRACKS_SCHEMA.empty_table()
        return FaceTrack(
            images=table.column("image").to_pylist(),
            boxes_px=list(_rows(table, "box_px", 4)),
            landmarks_px=list(_rows(table, "landmarks_px", 10).reshape(-1, 5, 2)),
            confidences=table.column("confidence").to_pylist(),
        )

    def _groups(self, clip_id: str) -> Sequence[int]:
        """The row groups that may hold the clip."""
        n = len(self._firsts)
        if not self._is_sorted:
            return [group for group in range(n) if self._firsts[group] <= clip_id and self._lasts[group] >= clip_id]
        begin = end = bisect_left(self._lasts, clip_id)
        while end < n and self._firsts[end] <= clip_id:
            end += 1
        return range(begin, end)

    def _group(self, group: int) -> pa.Table:
        file = self._opened()
        table = self._kept.get(group)
        if table is None:
            table = file.read_row_group(group, columns=TRACKS_SCHEMA.names)
            self._kept[group] = table
            if len(self._kept) > _GROUPS_IN_MEMORY:
                self._kept.popitem(last=False)
        self._kept.move_to_end(group)
        return table


_NO_TEXT_IS_LATER = chr(0x10FFFF)


def _span(file: pq.ParquetFile, group: int) -> tuple[str, str]:
    """The smallest and the largest clip_id of the row group, as far as the file says."""
    number = file.schema_arrow.names.index("clip_id")
    found = file.metadata.row_group(group).column(number).statistics
    return (found.min, found.max) if found is not None and found.has_min_max else ("", _NO_TEXT_IS_LATER)


def _lines(table: pa.Table, segment: Segment) -> pa.Table:
    is_it = pc.equal(table.column("clip_id"), segment.clip_id)
    is_it = pc.and_(is_it, pc.equal(table.column("part_index"), segment.part_index))
    return table.filter(pc.and_(is_it, pc.equal(table.column("track_index"), segment.track_index)))


def _rows(table: pa.Table, name: str, width: int) -> F32:
    flat = table.column(name).combine_chunks().flatten()
    return np.asarray(flat.to_numpy(zero_copy_only=False), np.float32).reshape(-1, width)
