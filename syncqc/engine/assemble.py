"""Parts of many clips, arriving in any order, put together to whole clips with all their rows.

Knows the far and closing stages of a plan, and no process or engine.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from syncqc.engine.near import in_words
from syncqc.errors import ClipError, Failure
from syncqc.manifest.row import Clip, Row
from syncqc.stages.base import Closing, Stage
from syncqc.stages.part import Part

log = logging.getLogger(__name__)


@dataclass
class Piece:
    """One part of clip number `number`, or, after its last part, how many there were."""

    number: int
    part: Part | None = None
    n_given: int | None = None


@dataclass
class Measured:
    """What is left of a part when the far stages are done with it: lines for the manifest and its sidecars."""

    part_index: int
    rows: list[Row]
    face_lines: list[Row]
    similarities: list[Row]
    kept: list[Row] = field(default_factory=list)
    """Lines of a crop cache."""


@dataclass
class ClipResult:
    """Everything that is known of one clip."""

    clip: Clip
    rows: list[Row]
    face_lines: list[Row] = field(default_factory=list)
    similarities: list[Row] = field(default_factory=list)
    kept: list[Row] = field(default_factory=list)

    @property
    def failure(self) -> str | None:
        """The first row's failure where no row was measured, else None."""
        failures = [row.get("failure") for row in self.rows]
        return str(failures[0]) if all(failures) else None

    @property
    def duration_s(self) -> float:
        """Length of the clip: the picture track's, or where its last row ends."""
        known = [row.get("duration_s") or row.get("end_s") for row in self.rows]
        return max((length for length in known if isinstance(length, float)), default=0.0)


def run_far(stages: Sequence[Stage], parts: list[Part]) -> list[Part]:
    """The same parts through the far stages; a stage that raises is tried part by part, and who makes it raise is marked."""
    for stage in stages:
        parts = _run_stage(stage, parts) if parts else []
    return parts


def measured(part: Part, keep_similarity: bool = False) -> Measured:
    """The rows of the part, one line per detected face, and, where asked for, each track's whole similarity matrix."""
    where: Row = {"clip_id": part.clip.clip_id, "part_index": part.part_index}
    faces: list[Row] = []
    similarities: list[Row] = []
    for i, track in enumerate(part.tracks):
        here = {**where, "track_index": track.row.get("track_index", i)}
        for k, image in enumerate(track.detected_images):
            faces.append(
                here
                | {
                    "image": int(image),
                    "box_px": track.boxes_px[k].tolist(),
                    "landmarks_px": track.landmarks_px[k].ravel().tolist(),
                    "confidence": float(track.confidences[k]),
                }
            )
        if keep_similarity and track.similarity is not None:
            matrix = track.similarity.astype("<f2")
            n_shifts, n_windows = matrix.shape
            similarities.append(here | {"w": n_shifts // 2, "n_windows": n_windows, "matrix": matrix.tobytes()})
    kept = [track.kept for track in part.tracks if track.kept is not None]
    return Measured(part.part_index, part.rows(), faces, similarities, kept)


class Assembly:
    """Clips on their way to completion, by their number in the run."""

    def __init__(self, closing: Sequence[Closing]) -> None:
        """Nothing is open yet."""
        self._closing = closing
        self._open: dict[int, tuple[Clip, dict[int, Measured], list[int]]] = {}

    def add(self, number: int, clip: Clip, part: Measured | None = None, n_given: int | None = None) -> Iterator[ClipResult]:
        """Takes one part, or the count of parts that closes the clip; gives the result once nothing is missing.

        A part that arrives twice counts once.
        """
        _, parts, awaited = self._open.setdefault(number, (clip, {}, []))
        if part is not None:
            parts[part.part_index] = part
        if n_given is not None:
            awaited.append(n_given)
        if awaited and len(parts) == awaited[0]:
            del self._open[number]
            yield self._result(clip, [parts[i] for i in sorted(parts)])

    def _result(self, clip: Clip, parts: list[Measured]) -> ClipResult:
        rows = [row for part in parts for row in part.rows]
        for closing in self._closing:
            rows = closing(rows)
        faces, similarities = [f for part in parts for f in part.face_lines], [s for part in parts for s in part.similarities]
        return ClipResult(clip, rows, faces, similarities, [k for part in parts for k in part.kept])


def _run_stage(stage: Stage, parts: list[Part]) -> list[Part]:
    try:
        done = stage(parts)
    except Exception as error:
        if len(parts) == 1:
            _mark(parts[0], stage, error)
            return parts
        done = []
    if not done:
        return [kept for part in parts for kept in _run_stage(stage, [part])]
    if len(done) != len(parts):
        raise AssertionError(f"{type(stage).__name__} gave {len(done)} parts for {len(parts)}")
    return done


def _mark(part: Part, stage: Stage, error: Exception) -> None:
    if isinstance(error, ClipError):
        part.fail(error.failure, error.detail)
        return
    log.error("%s failed on part %d of %s", type(stage).__name__, part.part_index, part.clip.path, exc_info=error)
    part.fail(Failure.MEMORY_LIMIT if isinstance(error, MemoryError) else Failure.CRASHED, in_words(error))
