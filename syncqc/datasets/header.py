"""What the header of a file says: where its clock begins, how long it is, whether it has sound. Nothing is decoded.

For layouts whose clips can only be placed by looking at some files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from syncqc.errors import ClipError
from syncqc.media.container import open_container, picture_stream, sound_stream

_N_THREADS = 8
_PER_S = 1_000_000
"""Containers count their start and length in microseconds."""


@dataclass(frozen=True)
class Header:
    """Times in s on the file's own clock, which need not begin at 0."""

    start_s: float
    """The earliest time in the file."""
    picture_start_s: float | None
    """When the first picture is shown; None without pictures."""
    picture_length_s: float | None
    fps: float | None
    has_sound: bool

    def n_pictures(self) -> float | None:
        """How many pictures there are by length and mean rate; None where either is unknown."""
        return self.picture_length_s * self.fps if self.picture_length_s and self.fps else None


def header_of(path: str) -> Header | None:
    """What the header says; None where the file cannot be opened."""
    try:
        container = open_container(path)
    except ClipError:
        return None
    with container:
        video = picture_stream(container)
        start_s = (container.start_time or 0) / _PER_S
        picture_start_s = picture_length_s = fps = None
        if video is not None:
            base = video.time_base
            rate = video.average_rate or video.guessed_rate
            fps = float(rate) if rate else None
            picture_start_s = float(video.start_time * base) if video.start_time is not None and base else start_s
            picture_length_s = float(video.duration * base) if video.duration and base else (container.duration or 0) / _PER_S or None
        return Header(start_s, picture_start_s, picture_length_s, fps, sound_stream(container) is not None)


def headers_of(paths: Iterable[str]) -> Iterator[Header | None]:
    """The headers of the files, in their order; several are read at a time."""
    with ThreadPoolExecutor(_N_THREADS) as pool:
        yield from pool.map(header_of, paths)
