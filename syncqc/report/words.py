"""The measured numbers in sentences, for titles and terminals.

Knows no file and no drawing. The sign is said in words wherever a person reads an offset.
"""

from __future__ import annotations

from syncqc.clock import MS_PER_IMAGE


def signed_offset(offset_frames: int) -> str:
    """The offset as a short label with its sign and both units: ``+2 images (+80 ms)``; the sign of zero is none."""
    unit = "image" if abs(offset_frames) == 1 else "images"
    sign = "+" if offset_frames > 0 else ""
    return f"{sign}{offset_frames} {unit} ({sign}{offset_frames * MS_PER_IMAGE} ms)"


def offset_in_words(offset_frames: int) -> str:
    """Who leads and by how much: ``the sound leads the picture by 2 images (80 ms)``."""
    if offset_frames == 0:
        return "sound and picture are in time"
    n = abs(offset_frames)
    how = "leads" if offset_frames > 0 else "lags behind"
    return f"the sound {how} the picture by {n} {'image' if n == 1 else 'images'} ({n * MS_PER_IMAGE} ms)"
