"""What the page of ``syncqc inspect --html`` is made of: every face of the clip, the choices among them, and what can be played.

Knows the result of a measurement and where the clip lies; not how the page looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from syncqc.cli.inspect_view import (
    Matrices,
    Row,
    at_each_moment,
    is_measured,
    map_parts,
    notes,
    offset_of_clip,
    reason,
    shown_rows,
    verdict,
)
from syncqc.clock import IMAGE_RATE_HZ, MS_PER_IMAGE
from syncqc.errors import ClipError, Failure, UsageError

if TYPE_CHECKING:
    from syncqc.engine.assemble import ClipResult
    from syncqc.report.clip_page import Choice, ClipShown, Face, Recording
    from syncqc.report.map_figure import Still

BEST = "best-synced at each moment"
_NOT_OPENED_AGAIN = {Failure.CRASHED, Failure.TIME_LIMIT, Failure.MEMORY_LIMIT}
"""What happened to a reader in a process of its own must not happen to this one."""


def excerpt(duration_s: float, from_s: float, to_s: float) -> tuple[float, float]:
    """The stretch that the page holds, in whole images.

    Raises:
        UsageError: the clip ends before it.
    """
    if duration_s and from_s >= duration_s:
        raise UsageError(f"the clip lasts {duration_s:.2f} s; --from {from_s:g} lies behind it")
    end_s = min(to_s, duration_s) if duration_s else to_s
    # An image is shown whole where a part of it is asked for. The last one may end a little later than the picture track.
    first, end = round(from_s * 1000) // MS_PER_IMAGE, -(-round(end_s * 1000) // MS_PER_IMAGE)
    return first / IMAGE_RATE_HZ, max(first + 1, end) / IMAGE_RATE_HZ


def shown_clip(video: Path, result: ClipResult, matrices: Matrices, track: int | None, first_s: float, end_s: float) -> ClipShown:
    """Everything that the page says of the clip.

    Raises:
        UsageError: no part has a face `track`.
    """
    from syncqc.report.clip_page import ClipShown

    rows = result.rows
    choices = _choices(rows)
    offset = offset_of_clip(shown_rows(rows, None))
    recording, why_not = _recording(video, result, offset, first_s, end_s)
    return ClipShown(
        name=video.name,
        facts=_facts(rows[0], result, matrices),
        notes=[line for line in notes([row for row in rows if is_measured(row)]) if not line.startswith("*")],
        faces=_faces(result, matrices),
        choices=choices,
        duration_s=result.duration_s,
        first_s=first_s,
        end_s=end_s,
        offset_frames=offset,
        recording=recording,
        why_no_recording=why_not,
        selected=0 if track is None else next(i for i, choice in enumerate(choices) if choice.name == _name_of(track)),
    )


def still_of(video: Path, result: ClipResult, shown: Sequence[Row]) -> tuple[Still | None, str | None]:
    """The person that was judged, in the middle of the part in which sound and lips agree best, or why there is no picture of it."""
    from syncqc.media.preview import image_at
    from syncqc.report.map_figure import Still

    row = max(filter(is_measured, shown), key=lambda one: cast(float, one["probability_at_offset"]))
    why_not = why_not_opened_again(result.rows)
    if why_not is not None:
        return None, why_not
    middle = round((cast(float, row["start_s"]) + cast(float, row["end_s"])) / 2 * IMAGE_RATE_HZ)
    where = (row.get("part_index"), row.get("track_index"))
    lines = [line for line in result.face_lines if (line["part_index"], line["track_index"]) == where]
    line = min(lines, key=lambda one: abs(cast(int, one["image"]) - middle), default=None)
    number = middle if line is None else cast(int, line["image"])
    try:
        image, scale = image_at(video, number)
    except ClipError as error:
        return None, error.detail
    box = None if line is None else [scale * float(edge) for edge in cast("Sequence[float]", line["box_px"])]
    return Still(image, number / IMAGE_RATE_HZ, box), None


def _choices(rows: Sequence[Row]) -> list[Choice]:
    """The best at each moment, then, where a part has several faces, each number by itself."""
    from syncqc.report.clip_page import Choice

    def choice(name: str, shown: Sequence[Row], drawn: Sequence[Row]) -> Choice:
        said = verdict(shown) if any(map(is_measured, shown)) else f"nothing was measured: {reason(shown[0])}"
        return Choice(name, said, [next(i for i, row in enumerate(rows) if row is one) for one in drawn])

    best = shown_rows(rows, None)
    if all((row.get("n_tracks") or 1) == 1 for row in rows):
        return [choice(BEST, best, best)]
    numbers = sorted({cast(int, row["track_index"]) for row in rows if row.get("track_index") is not None})
    by_number = [(_name_of(number), shown_rows(rows, number)) for number in numbers]
    return [choice(BEST, best, at_each_moment(rows, best)), *(choice(name, shown, shown) for name, shown in by_number)]


def _name_of(track: int) -> str:
    return f"face {track} of each part" + (" (the largest)" if track == 0 else "")


def _faces(result: ClipResult, matrices: Matrices) -> list[Face]:
    from syncqc.report.clip_page import Face

    boxes: dict[tuple[object, object], list[tuple[int, Sequence[float]]]] = {}
    for line in result.face_lines:
        key = (line["part_index"], line["track_index"])
        boxes.setdefault(key, []).append((cast(int, line["image"]), cast("Sequence[float]", line["box_px"])))
    faces = []
    for row in result.rows:
        part = next(iter(map_parts([row], matrices)), None)
        seen = sorted(boxes.get((row.get("part_index"), row.get("track_index")), []), key=lambda box: box[0])
        faces.append(Face(row, part, seen, None if is_measured(row) else reason(row)))
    return faces


def why_not_opened_again(rows: Sequence[Row]) -> str | None:
    """Why this process must leave the file alone; None where it need not."""
    broken = next((row for row in rows if row.get("failure") in _NOT_OPENED_AGAIN), None)
    return None if broken is None else f"the file is not opened again ({reason(broken)})"


def _recording(video: Path, result: ClipResult, offset: int | None, first_s: float, end_s: float) -> tuple[Recording | None, str | None]:
    """What can be played, or why nothing can."""
    from syncqc.media.mux import MuxError
    from syncqc.media.preview import preview
    from syncqc.report.clip_page import Recording

    why_not = why_not_opened_again(result.rows)
    if why_not is not None:
        return None, why_not
    sidecar = None if result.clip.audio_path is None else Path(result.clip.audio_path)
    try:
        made = preview(video, sidecar, result.clip.audio_start_s or 0.0, offset, first_s, end_s)
    except ClipError as error:
        return None, error.detail
    except MuxError as error:
        return None, str(error)
    return Recording(made.media_type, made.as_it_is, made.shifted, made.why_no_sound), None


def _facts(row: Row, result: ClipResult, matrices: Matrices) -> list[tuple[str, str]]:
    """What the file is and what it was measured with; what is not known is left out."""
    picture = [_said(row, "video_codec"), _size(row), _said(row, "source_fps", "{:.5g} pictures per second")]
    sound = [_said(row, "audio_codec"), _said(row, "source_audio_rate_hz", "{} Hz"), _said(row, "source_audio_channels", "{} channel(s)")]
    clip = result.clip
    facts = [
        ("length", f"{result.duration_s:.2f} s" if result.duration_s else ""),
        ("picture", ", ".join(filter(None, picture))),
        ("sound", ", ".join(filter(None, sound))),
        ("sound from", "" if clip.audio_path is None else Path(clip.audio_path).name),
        ("from there, at", "" if clip.audio_start_s is None else f"{clip.audio_start_s:g} s"),
        ("face meant", "" if clip.listed_face_x is None else f"at {clip.listed_face_x:g}, {clip.listed_face_y:g} of the picture"),
        ("network", matrices.model),
    ]
    return [(name, value) for name, value in facts if value]


def _size(row: Row) -> str:
    width, height = row.get("width_px"), row.get("height_px")
    return "" if width is None or height is None else f"{width} x {height} px"


def _said(row: Mapping[str, object], name: str, how: str = "{}") -> str:
    value = row.get(name)
    return "" if value is None else how.format(value)
