"""Offsets, lengths, counts and places as people read them, for pages, titles and terminals.

Knows no manifest, no file and no drawing. The sign is said in words wherever a person reads an offset.
"""

from __future__ import annotations

import re

from syncqc.clock import MS_PER_IMAGE

NO_NUMBER = "-"
"""Stands where there is no number."""
_MANY_HOURS_S = 100 * 3600
_BEGINS_A_PATH = re.compile(r"(?:[A-Za-z]:)?[/\\~]|\.\.?[/\\]")


def signed_offset(offset_frames: int) -> str:
    """The offset as a short label with its sign and both units: ``+2 images (+80 ms)``; the sign of zero is none."""
    unit = "image" if abs(offset_frames) == 1 else "images"
    return f"{signed(offset_frames)} {unit} ({signed(offset_frames * MS_PER_IMAGE)} ms)"


def offset_in_words(offset_frames: int) -> str:
    """Who leads and by how much: ``the sound leads the picture by 2 images (80 ms)``."""
    if offset_frames == 0:
        return "sound and picture are in time"
    n = abs(offset_frames)
    how = "leads" if offset_frames > 0 else "lags behind"
    return f"the sound {how} the picture by {counted(n, 'image')} ({n * MS_PER_IMAGE} ms)"


def signed(n: float | None) -> str:
    """A number with its sign; zero has none, and what is not there is a dash."""
    if not n:
        return NO_NUMBER if n is None else "0"
    return f"{n:+d}" if isinstance(n, int) else f"{n:+g}"


def number(value: object, how: str) -> str:
    """The number as `format` spells it; what is not there is a dash."""
    return NO_NUMBER if value is None else format(value, how)


def counted(n: int, what: str, several: str | None = None) -> str:
    """A number and its noun, in the plural with an s where nothing else is said."""
    return f"{n:,} {what if n == 1 else several or what + 's'}"


def length_in_words(seconds: float) -> str:
    """A length as people say it: ``12 s``, ``3.5 min``, ``2.25 h``, ``1,234 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:,.0f} h" if seconds >= _MANY_HOURS_S else f"{seconds / 3600:.2f} h"


def shortened(text: str, n_characters: int) -> str:
    """The text, or its beginning and its end with … between them, of at most `n_characters`."""
    if len(text) <= n_characters:
        return text
    n_tail = (n_characters - 1) * 2 // 3
    return f"{text[: n_characters - 1 - n_tail]}…{text[len(text) - n_tail :]}"


def is_path(text: str) -> bool:
    """Whether the text begins as paths do, on any system: with a root, a home folder, ``./`` or ``../``."""
    return _BEGINS_A_PATH.match(text) is not None


def last_names(path: str) -> str:
    """The last two names of a path, which say where it lies and not whose it is."""
    return "/".join(re.split(r"[/\\]+", path.rstrip("/\\"))[-2:]).lstrip("/") or path


def shortened_path(path: str) -> str:
    """The last two names of a path behind …; a path that has no more as it is."""
    names = last_names(path)
    return path if names == path else f"…/{names}"
