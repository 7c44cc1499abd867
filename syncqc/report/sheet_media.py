"""What a card shows of a clip's files: mouths as the network saw them, in colour, and how loud the sound is.

Reads no more than the row's own stretch, sought where the container allows it. Mouths are cut from the stored landmarks by the function,
at the size and with the smoothing by which they were cut when the row was measured. Every file has a time limit, and so have all together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from syncqc.clock import IMAGE_RATE_HZ, SAMPLES_PER_IMAGE
from syncqc.errors import ClipError, UsageError
from syncqc.manifest.store import path_on_disk, provenance, tracks_of, tracks_path

if TYPE_CHECKING:
    from syncqc.faces.crop import CropShape
    from syncqc.loaders.index import Segment
    from syncqc.loaders.stored_faces import Face, StoredFaces
    from syncqc.media.stretch import Start

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
Given = TypeVar("Given")
Answer = TypeVar("Answer")

N_BARS = 120
"""The loudest sample of each of so many equal pieces of the row is drawn."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What was read for a row, and why what is missing was not; what was not asked for has no why."""

    mouths: U8 | None = None
    """(n, height, width, 3), RGB."""
    why_no_mouths: str | None = None
    peaks: F32 | None = None
    """(N_BARS,), the largest size of a sample, 1 is full scale; nan where the file has no sound."""
    why_no_sound: str | None = None
    probability: npt.NDArray[np.float64] | None = None
    """(n_windows,), at the measured offset; nan for a window that was not measured."""
    why_no_probability: str | None = None


class Cutter:
    """Reads rows of one manifest; may be asked from several threads."""

    def __init__(self, manifest: Path, n_mouths: int, moved: Sequence[tuple[str, str]], limit_s: float) -> None:
        """Finds the stored faces and how they were cut; a `Cutter` without faces still reads sound."""
        from syncqc.faces.crop import CropShape
        from syncqc.loaders.settings import DEFAULTS
        from syncqc.loaders.stored_faces import StoredFaces

        self._n_mouths, self._moved, self._limit_s = n_mouths, moved, limit_s
        known = provenance(manifest).get("settings") or {}
        self._shape = CropShape(
            known.get("find_faces.crop_height_px", DEFAULTS.crop_height_px),
            known.get("find_faces.crop_width_px", DEFAULTS.crop_width_px),
            known.get("find_faces.crop_margin", DEFAULTS.crop_margin),
        )
        self._max_short_side_px = known.get("read_clip.max_short_side_px", DEFAULTS.max_short_side_px)
        self._faces: StoredFaces | None = None
        self.why_no_faces: str | None = None
        self._one_at_a_time = Lock()
        self._tracks = tracks_of(manifest) or tracks_path(manifest)
        try:
            self._faces = StoredFaces(self._tracks, known.get("find_faces.smooth_images", DEFAULTS.smooth_images))
        except UsageError as error:
            self.why_no_faces = self._shortly(error)

    @property
    def shape(self) -> CropShape:
        """Size and margin of the mouths."""
        return self._shape

    def face(self, row: Mapping[str, Any]) -> Face | str:
        """The row's face on all of its images, or why there is none."""
        if self._faces is None:
            return str(self.why_no_faces)
        try:
            with self._one_at_a_time:
                return self._faces.of(segment_of(row, self._moved), *_stretch(row))
        except (UsageError, OSError) as error:
            return self._shortly(error)

    def _shortly(self, error: Exception) -> str:
        """What is wrong, without the folder of the stored faces."""
        return str(error).replace(str(self._tracks), self._tracks.name)

    def __call__(self, row: Mapping[str, Any]) -> Seen:
        """What can be read of the row's files; for whatever cannot it says why."""
        end_s = time.monotonic() + self._limit_s
        segment = segment_of(row, self._moved)
        mouths, peaks, start = None, None, None
        try:
            mouths, start = self._mouths(segment, row, end_s)
            why_no_mouths = None
        except (ClipError, UsageError, OSError, MemoryError) as error:
            why_no_mouths = _said(error)
        try:
            peaks, why_no_sound = self._peaks(segment, start, row, end_s), None
        except (ClipError, UsageError, OSError, MemoryError) as error:
            why_no_sound = _said(error)
        return Seen(mouths, why_no_mouths, peaks, why_no_sound)

    def _mouths(self, segment: Segment, row: Mapping[str, Any], end_s: float) -> tuple[U8, Start]:
        from syncqc.faces.crop import mouth_crops
        from syncqc.media.stretch import open_stretch

        face = self.face(row)
        if isinstance(face, str):
            raise UsageError(face)
        first, n = _stretch(row)
        wanted = shown_images(n, self._n_mouths)
        found: list[U8] = []
        with open_stretch(segment.path, first, first + wanted[-1] + 1, self._max_short_side_px) as seen:
            for k, image in enumerate(seen.images):
                if k in wanted:
                    points = (face.landmarks_px[k : k + 1] * seen.image_scale).astype(np.float32)
                    found.append(mouth_crops(image[None], points, self._shape)[0])
                self._refuse_late(end_s)
        if len(found) < len(wanted):
            raise UsageError(f"decoding ends before {(first + wanted[len(found)]) / IMAGE_RATE_HZ:.2f} s")
        return np.stack(found), seen.start

    def _peaks(self, segment: Segment, start: Start | None, row: Mapping[str, Any], end_s: float) -> F32:
        from syncqc.loaders.item import read_sound
        from syncqc.media.stretch import read_start

        self._refuse_late(end_s)
        first, n = _stretch(row)
        start = read_start(segment.path) if start is None else start
        heard = read_sound(segment, start, first * SAMPLES_PER_IMAGE, (first + n) * SAMPLES_PER_IMAGE)
        if not heard.is_sound.any():
            raise UsageError("there is no sound in this stretch")
        edges = np.linspace(0, len(heard.samples), N_BARS + 1).astype(int)
        loud = np.where(heard.is_sound, np.abs(heard.samples), np.nan)
        pieces = [loud[a:b] for a, b in pairwise(edges.tolist())]
        return np.array([np.nan if np.isnan(piece).all() else np.nanmax(piece) for piece in pieces], np.float32)

    def _refuse_late(self, end_s: float) -> None:
        if time.monotonic() > end_s:
            raise UsageError(f"reading took longer than {self._limit_s:g} s")


def segment_of(row: Mapping[str, Any], moved: Sequence[tuple[str, str]] = ()) -> Segment:
    """Where the row's pictures and sound are now; the file that `resync` wrote where there is one, its sound left as it lies in it."""
    from syncqc.loaders.index import Segment

    is_resynced = row["resynced_path"] is not None or row["resynced_audio_path"] is not None
    audio = row["resynced_audio_path"] if is_resynced else row["audio_path"]
    first, n = _stretch(row)
    return Segment(
        clip_id=row["clip_id"],
        path=_now(row["resynced_path"] or row["path"], moved),
        audio_path=None if audio is None else _now(audio, moved),
        part_index=row["part_index"] or 0,
        track_index=-1 if row["track_index"] is None else row["track_index"],
        first_image=first,
        n_images=n,
        shift_frames=0,
        audio_start_s=0.0 if is_resynced else row["audio_start_s"] or 0.0,
        pad_s=row["resync_pad_s"] or 0.0 if is_resynced else 0.0,
    )


def shown_images(n_images: int, n_mouths: int) -> list[int]:
    """The middle image of each of `n_mouths` equal pieces of the row, so that mouths stand above their time."""
    return sorted({(2 * i + 1) * n_images // (2 * n_mouths) for i in range(n_mouths)})


def in_time(read: Callable[[Given], Answer], given: Sequence[Given], limit_s: float, n_threads: int) -> list[Answer | None]:
    """What `read` answers for each, in order; None for what was not answered within `limit_s`.

    A reader that hangs, on a disk that does not answer say, is left behind. What one raises is raised here.
    """
    answers: list[Answer | None] = [None] * len(given)
    errors: list[BaseException] = []
    waiting = iter(list(enumerate(given)))
    lock = Lock()
    end_s = time.monotonic() + limit_s

    def work() -> None:
        while not errors and time.monotonic() < end_s:
            with lock:
                number, one = next(waiting, (-1, None))
            if number < 0:
                return
            try:
                answers[number] = read(one)  # type: ignore[arg-type]
            except BaseException as error:
                errors.append(error)

    readers = [Thread(target=work, daemon=True) for _ in range(max(1, n_threads))]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(max(0.0, end_s - time.monotonic()))
    if errors:
        raise errors[0]
    return list(answers)


def _stretch(row: Mapping[str, Any]) -> tuple[int, int]:
    """First image of the row on its file's clock, and number of images."""
    return round((row["start_s"] or 0.0) * IMAGE_RATE_HZ), int(row["n_images"])


def _now(stored: str, moved: Sequence[tuple[str, str]]) -> str:
    """Where a file of the manifest is now."""
    path = Path(path_on_disk(stored))
    for then, now in moved:
        if path.is_relative_to(then):
            return str(Path(now) / path.relative_to(then))
    return str(path)


def _said(error: BaseException) -> str:
    if isinstance(error, ClipError):
        return error.detail
    return "there was not enough memory" if isinstance(error, MemoryError) else str(error)
