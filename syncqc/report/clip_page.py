"""The page about one clip: the video beside its probability map, the numbers of its parts, and the sound as it is and where it should be.

Knows rows, arrays and the bytes of files that a browser plays; opens no video and measures nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from syncqc import __version__
from syncqc.clock import IMAGE_RATE_HZ, MS_PER_IMAGE, SIGN_IN_WORDS
from syncqc.report.html import finite, page
from syncqc.report.map_figure import MapPart
from syncqc.report.words import NO_NUMBER, number, offset_in_words, signed_offset

Row = Mapping[str, object]

_TOP = 254
_NOT_MEASURED = 255


@dataclass(frozen=True, eq=False)
class Face:
    """One face track in one part: a line of the table, a stretch of the map, and where it is in the picture."""

    row: Row
    part: MapPart | None = None
    """None: the row stands for no stretch of time."""
    boxes_px: Sequence[tuple[int, Sequence[float]]] = ()
    """Image of the clip, and left, top, right, bottom in pixels of the shown picture; rising."""
    why_not: str | None = None
    """Why nothing was measured; None where something was."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Faces that are shown together, at most one at a time."""

    name: str
    verdict: str
    faces: Sequence[int]
    """Their places in `ClipShown.faces`."""


@dataclass(frozen=True, eq=False)
class Recording:
    """What the browser plays: two files with the same pictures."""

    media_type: str
    as_it_is: bytes
    shifted: bytes | None
    """None: there is no other sound to hear."""
    why_no_sound: str | None = None
    """Why there is none at all."""


@dataclass(frozen=True, eq=False)
class ClipShown:
    """Everything that the page says."""

    name: str
    """Of the file."""
    facts: Sequence[tuple[str, str]]
    notes: Sequence[str]
    faces: Sequence[Face]
    choices: Sequence[Choice]
    duration_s: float
    first_s: float
    """The page holds video and map from here on ..."""
    end_s: float
    """... up to here."""
    offset_frames: int | None = None
    """Of the whole clip; None where sound and lips agree at no offset, or nothing was measured."""
    recording: Recording | None = None
    why_no_recording: str | None = None
    selected: int = 0
    """Which choice the page begins with."""


def clip_page(clip: ClipShown) -> str:
    """The page as one HTML text that asks nobody for anything."""
    return page(
        "clip.html.j2",
        clip.name,
        _data(clip),
        scripts=("clip_map.js", "clip.js"),
        styles=("clip.css",),
        clip=clip,
        tables=[[_line(clip, clip.faces[i]) for i in choice.faces] for choice in clip.choices],
        is_whole=clip.first_s <= 0 and clip.end_s >= clip.duration_s,
        sign=SIGN_IN_WORDS,
        repair=None if clip.offset_frames is None else _repair_in_words(clip.offset_frames),
        says=_says(clip),
        version=__version__,
    )


def _says(clip: ClipShown) -> str:
    """One sentence that stands for the map."""
    choice = clip.choices[clip.selected] if clip.choices else None
    where = f"Time from {clip.first_s:g} to {clip.end_s:g} s across, offset up, probability as colour."
    return where if choice is None else f"{where} {choice.verdict[:1].upper()}{choice.verdict[1:]}."


def _repair_in_words(offset_frames: int) -> str:
    """What is done to the sound that is heard "at the measured offset"."""
    if offset_frames == 0:
        return "it is in time as it is"
    how = "delayed" if offset_frames > 0 else "brought forward"
    return f"{how} by {abs(offset_frames) * MS_PER_IMAGE} ms, because {offset_in_words(offset_frames)}"


def _line(clip: ClipShown, face: Face) -> dict[str, object]:
    """One line of the table of parts, as it is read."""
    row = face.row
    start_s, end_s = row.get("start_s"), row.get("end_s")
    has_time = isinstance(start_s, float) and isinstance(end_s, float)
    offset = row.get("offset_frames") if face.why_not is None else None
    is_edge = " (edge of the search)" if row.get("is_offset_at_edge") else ""
    return {
        "part": number(row.get("part_index"), "d"),
        "track": number(row.get("track_index"), "d"),
        "time": f"{start_s:.2f}-{end_s:.2f}" if has_time else NO_NUMBER,
        "seek_s": start_s if has_time and clip.first_s <= cast(float, start_s) < clip.end_s else None,
        "offset": NO_NUMBER if offset is None else signed_offset(cast(int, offset)) + is_edge,
        "why_not": face.why_not,
        "numbers": [
            number(row.get(name), ".2f") for name in ("probability_at_offset", "probability_in_sync", "offscreen_ratio", "speech_ratio")
        ],
    }


def _data(clip: ClipShown) -> dict[str, object]:
    recording = clip.recording
    return {
        "first_s": clip.first_s,
        "end_s": clip.end_s,
        "offset": clip.offset_frames,
        "image_rate_hz": IMAGE_RATE_HZ,
        "recording": None
        if recording is None
        else {"type": recording.media_type, "as_it_is": _base64(recording.as_it_is), "shifted": _base64(recording.shifted)},
        "faces": [_face(clip, face) for face in clip.faces],
        "choices": [{"name": choice.name, "faces": list(choice.faces)} for choice in clip.choices],
        "selected": clip.selected,
    }


def _face(clip: ClipShown, face: Face) -> dict[str, object] | None:
    """What the map and the box over the video need of a face; None for one outside the stretch that is shown."""
    part = face.part
    if part is None or part.end_s <= clip.first_s or part.start_s >= clip.end_s:
        return None
    failure = face.row.get("failure")
    return {
        "part": face.row.get("part_index"),
        "start_s": finite(part.start_s),
        "end_s": finite(part.end_s),
        "offset": part.offset_frames,
        "onscreen": [[finite(start_s), finite(end_s)] for start_s, end_s in part.onscreen_s],
        "failure": None if face.why_not is None else str(failure or "not measured"),
        "map": None if part.probability is None else _map(part, clip.first_s, clip.end_s),
        "boxes": _boxes(face, clip.first_s, clip.end_s),
    }


def _map(part: MapPart, first_s: float, end_s: float) -> dict[str, object]:
    """The windows of the part that speak for images in the stretch: bytes, row by row, 0-254 for 0-1 and 255 for "does not count"."""
    assert part.probability is not None
    n = part.probability.shape[1]
    first = int(np.clip(round((first_s - part.first_window_s) * IMAGE_RATE_HZ), 0, n))
    end = int(np.clip(round((end_s - part.first_window_s) * IMAGE_RATE_HZ), first, n))
    shown = part.probability[:, first:end]
    return {
        "first_window_s": finite(part.first_window_s + first / IMAGE_RATE_HZ),
        "n_windows": end - first,
        "n_shifts": shown.shape[0],
        "greatest_offset": shown.shape[0] // 2 - part.zero_offset_frames,
        "cells": _base64(_cells(shown).tobytes()),
    }


def _cells(probability: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.uint8]:
    known = np.isfinite(probability)
    return np.where(known, np.round(np.where(known, probability, 0) * _TOP), _NOT_MEASURED).astype(np.uint8)


def _boxes(face: Face, first_s: float, end_s: float) -> list[list[float]]:
    """Time of the image, and left, top, right, bottom as shares of the picture."""
    width, height = face.row.get("width_px"), face.row.get("height_px")
    if not isinstance(width, int) or not isinstance(height, int):
        return []
    near = [(image / IMAGE_RATE_HZ, box) for image, box in face.boxes_px if first_s - 1 <= image / IMAGE_RATE_HZ < end_s + 1]
    return [
        [round(time_s, 2), *(round(float(edge) / (height if i % 2 else width), 4) for i, edge in enumerate(box))] for time_s, box in near
    ]


def _base64(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode("ascii")
