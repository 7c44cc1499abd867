"""Rows, manifests and clips written by hand for contact sheets: pictures that spell their number, sound with clicks at known times."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from syncqc.manifest.columns import TRACKS_SCHEMA, schema
from syncqc.manifest.store import PROVENANCE_KEY, lines_table, table_of, tracks_path
from syncqc.media.mux import Encoding, Pictures, SoundTrack, write_clip

Row = dict[str, Any]

WIDTH, HEIGHT, N_IMAGES = 64, 48, 60
SETTINGS = {"find_faces.crop_height_px": 12, "find_faces.crop_width_px": 24}


def row(clip_id: str, **columns: object) -> Row:
    """A measured, chosen row that no rule but that of the best would show."""
    return {
        "clip_id": clip_id,
        "path": f"/videos/{clip_id}.mkv",
        "dataset": "alpha",
        "speaker": f"speaker of {clip_id}",
        "part_index": 0,
        "n_parts": 1,
        "track_index": 0,
        "n_tracks": 1,
        "start_s": 0.0,
        "end_s": N_IMAGES / 25,
        "n_images": N_IMAGES,
        "is_chosen_track": True,
        "offset_frames": 0,
        "is_offset_at_edge": False,
        "margin": 0.4,
        "probability_at_offset": 0.99,
        "probability_in_sync": 0.999,
        "offscreen_ratio": 0.0,
        "onscreen": [{"start_s": 0.08, "end_s": 2.32}],
        "similarity": [0.01 * (15 - abs(r - 15)) for r in range(31)],
        "n_windows": N_IMAGES - 4,
        "speech_ratio": 0.9,
        "frozen_ratio": 0.0,
        "face_width_px": 100.0,
        "leak_video": False,
    } | columns


def complete(of_row: Mapping[str, object]) -> Row:
    """The row with every column."""
    return {**dict.fromkeys(schema().names), **of_row}


def manifest(path: Path, rows: Sequence[Row], faces: Sequence[Row] | None = None, settings: Mapping[str, object] | None = None) -> Path:
    """The rows, sorted, as a manifest, and the faces beside it."""
    made_by = {"settings": SETTINGS if settings is None else dict(settings)}
    ordered = sorted(rows, key=lambda one: (one["clip_id"], one.get("part_index") or 0))
    pq.write_table(table_of(ordered).replace_schema_metadata({PROVENANCE_KEY: json.dumps(made_by).encode()}), path)
    if faces is not None:
        pq.write_table(lines_table(sorted(faces, key=lambda one: one["clip_id"]), TRACKS_SCHEMA), tracks_path(path))
    return path


def faces_of(clip_id: str, first: int = 0, n: int = N_IMAGES, turn_px: float = 0.0, part: int = 0) -> list[Row]:
    """A face whose mouth is in the middle of the picture, its nose `turn_px` to the right."""
    x, y = WIDTH / 2, HEIGHT / 2
    points = [x - 6, y - 12, x + 6, y - 12, x + turn_px, y - 6, x - 4, y, x + 4, y]
    where = {"clip_id": clip_id, "part_index": part, "track_index": 0, "confidence": 0.9}
    images = [*range(first, first + n - 1, 5), first + n - 1]
    return [where | {"image": i, "box_px": [x - 12, y - 20, x + 12, y + 8], "landmarks_px": points} for i in images]


def numbered(number: int) -> np.ndarray:
    """A grey picture whose halves spell the digits of its number (0-99) in steps that compression does not blur."""
    image = np.full((HEIGHT, WIDTH, 3), 20 + 20 * (number // 10), np.uint8)
    image[:, WIDTH // 2 :] = 20 + 20 * (number % 10)
    return image


def numbers_of(mouths: np.ndarray) -> list[int]:
    """The numbers that crops (n, height, 24, 3) out of the middle of such pictures spell."""
    tens, ones = mouths[:, :, 2:9].mean(axis=(1, 2, 3)), mouths[:, :, 15:22].mean(axis=(1, 2, 3))
    return [10 * round((ten - 20) / 20) + round((one - 20) / 20) for ten, one in zip(tens.tolist(), ones.tolist(), strict=True)]


def clicks(*times_s: float, n_images: int = N_IMAGES) -> np.ndarray:
    """Silence with a click of half the full scale at each time."""
    samples = np.zeros(n_images * 640)
    for time_s in times_s:
        samples[round(time_s * 16_000)] = 0.5
    return samples


def clip(path: Path, *times_s: float, n_images: int = N_IMAGES, has_sound: bool = True, shown_s: Sequence[Fraction] | None = None) -> Path:
    """A clip of numbered pictures with clicks at these times; `shown_s`: when each picture appears, in place of 25 per second."""
    n_pictures = n_images if shown_s is None else len(shown_s)
    pictures = (numbered(i) for i in range(n_pictures))
    shown = Pictures(pictures, WIDTH, HEIGHT, fps=Fraction(25)) if shown_s is None else Pictures(pictures, WIDTH, HEIGHT, times_s=shown_s)
    write_clip(path, shown, SoundTrack(clicks(*times_s, n_images=n_images), 16_000) if has_sound else None, Encoding("mpeg4", "pcm"))
    return path
