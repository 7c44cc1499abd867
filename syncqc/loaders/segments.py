"""The rows of a manifest as a PyTorch dataset: images at 25 per second and sound at 16 kHz, put right by the measured offset.

Knows nothing of the order in which rows are asked for, nor of ranks and workers.

::

    data = SegmentDataset("clean.parquet", where="probability_in_sync > 0.95", settings=LoaderSettings(n_images=25, crops=True))
    for batch in DataLoader(data, batch_size=8, shuffle=True, num_workers=4, collate_fn=collate): ...
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from syncqc.errors import ClipError
from syncqc.loaders.index import Segment, SegmentIndex
from syncqc.loaders.item import Item, read_item
from syncqc.loaders.settings import DEFAULTS, LoaderSettings
from syncqc.loaders.stored_faces import Face, StoredFaces
from syncqc.manifest.store import tracks_of, tracks_path

log = logging.getLogger(__name__)

Read = TypeVar("Read")

_MAX_WORKERS = 1024


class SegmentDataset(Dataset[Item | None]):
    """One item per row of the manifest that is measured, chosen and meets the condition; see `Item`.

    An item is None where its file cannot be read and `on_error` is ``skip``: `collate` leaves it out, the log names it, and
    `n_skipped` counts it.
    """

    def __init__(
        self,
        manifest: Path | str,
        *,
        where: str | None = None,
        settings: LoaderSettings = DEFAULTS,
        tracks: Path | str | None = None,
    ) -> None:
        """`where` is a condition in SQL over the manifest's columns; None: what `syncqc filter` left.

        `tracks` holds the detected faces; None: beside the manifest, or where the manifest says.

        Raises:
            UsageError: no manifest, a wrong condition, no row is left, or faces are asked for and none are stored.
        """
        self.manifest, self.settings = Path(manifest), settings
        self.index = SegmentIndex(self.manifest, where, settings)
        self._faces: StoredFaces | None = None
        if settings.needs_faces:
            found = tracks_of(self.manifest) if tracks is None else Path(tracks)
            self._faces = StoredFaces(tracks_path(self.manifest) if found is None else found, settings.smooth_images)
        self.epoch = 0
        # Shared with the workers of a DataLoader; each counts in its own place.
        self._skipped = torch.zeros(_MAX_WORKERS + 1, dtype=torch.int64)
        self._skipped.share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, row: int) -> Item | None:
        return self.item(row, self.epoch)

    @property
    def n_skipped(self) -> int:
        """How many items were left out because their file could not be read, in this process and its workers."""
        return int(self._skipped.sum())

    def set_epoch(self, epoch: int) -> None:
        """Stretches are drawn anew; workers that are running keep their epoch."""
        self.epoch = epoch

    def item(self, row: int, epoch: int) -> Item | None:
        """The row's stretch of that epoch; None where it cannot be read and is to be skipped.

        Raises:
            IndexError: there is no such row.
            ClipError: a file cannot be read, and `on_error` is ``raise``.
        """
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        row %= len(self)
        segment = self.index[row]
        first_image, n_images = self._stretch(row, segment, epoch)

        def read() -> Item:
            return read_item(row, segment, first_image, n_images, self.settings, self.face(segment, first_image, n_images))

        return self.or_none(read, segment)

    def face(self, segment: Segment, first_image: int, n_images: int) -> Face | None:
        """The row's face on these images of the clip; None where the settings ask for nothing that needs it."""
        return None if self._faces is None else self._faces.of(segment, first_image, n_images)

    def or_none(self, read: Callable[[], Read], *segments: Segment) -> Read | None:
        """What `read` gives; where it cannot read these rows' files, None, logged and counted, if they are to be skipped.

        Raises:
            ClipError: a file cannot be read, and `on_error` is ``raise``.
        """
        try:
            return read()
        except ClipError as error:
            files = " with ".join(file for segment in segments for file in (segment.path, segment.audio_path) if file)
            if self.settings.on_error == "raise":
                raise ClipError(error.failure, f"{files}: {error.detail}") from error
            log.warning("left out: %s: %s", files, error)
            worker = get_worker_info()
            self._skipped[0 if worker is None else 1 + worker.id % _MAX_WORKERS] += 1
            return None

    def _stretch(self, row: int, segment: Segment, epoch: int) -> tuple[int, int]:
        """First image and number of images of the row's stretch of that epoch."""
        n = self.settings.n_images
        if n is None:
            return segment.first_image, segment.n_images
        spare = segment.n_images - n
        match self.settings.position:
            case "start":
                begin = 0
            case "centre":
                begin = spare // 2
            case "random":
                begin = int(np.random.default_rng([self.settings.seed, epoch, row]).integers(spare + 1))
        return segment.first_image + begin, n
