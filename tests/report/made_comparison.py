"""Two small manifests of the same clips, in which everything that can change does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import made_manifest

Row = dict[str, Any]
MADE_BY = {"syncqc": "0.1.0", "schema_version": 2, "settings": {"model": "small", "weights_sha256": "a" * 64, "score.w": 15}}


def write_manifest(path: Path, rows: Sequence[Row], made_by: object = MADE_BY, rows_per_group: int = 3) -> Path:
    """A manifest of several row groups."""
    return made_manifest.write_manifest(path, rows, made_by, rows_per_group)


def row(clip_id: str, part: int = 0, n_parts: int = 1, offset: int = 0, p: float = 0.95, **more: Any) -> Row:
    """A chosen track of 4 s that the default rules keep."""
    return {
        "clip_id": clip_id, "path": f"/videos/{clip_id}.mp4", "dataset": "talks", "speaker": clip_id[0], "part_index": part,
        "n_parts": n_parts, "track_index": 0, "start_s": 4.0 * part, "end_s": 4.0 * part + 4, "is_chosen_track": True,
        "offset_frames": offset, "probability_at_offset": p, "offscreen_ratio": 0.0, "clip_offset_frames": offset,
    } | more  # fmt: skip


def failed(clip_id: str, reason: str, part: int = 0, n_parts: int = 1, **more: Any) -> Row:
    """A part in which nothing was measured."""
    numbers = ("track_index", "is_chosen_track", "offset_frames", "probability_at_offset", "offscreen_ratio", "clip_offset_frames")
    return row(clip_id, part, n_parts, **(dict.fromkeys(numbers) | {"failure": reason} | more))


OLD = [
    row("a", 0, 2), row("a", 1, 2),
    row("b", offset=2),
    row("c", p=0.5),
    failed("d", "silent"),
    row("e", offset=5),
    row("f"),
    row("g"), row("g", track_index=1, is_chosen_track=False, p=0.2),
    failed("h", "unreadable", start_s=None, end_s=None),
    row("i", 0, 2), row("i", 1, 2),
]  # fmt: skip
NEW = [
    row("a", 0, 2, offset=1), row("a", 1, 2, p=0.8, clip_offset_frames=1),
    row("b", offset=5),
    row("c", p=0.92),
    row("d"),
    failed("e", "no_face"),
    row("g", is_chosen_track=False, p=0.2), row("g", track_index=1),
    row("h", 0, 3), row("h", 1, 3), row("h", 2, 3, p=0.1),
    row("i", 0, 3), row("i", 1, 3), row("i", 2, 3),
    row("j"),
]  # fmt: skip
