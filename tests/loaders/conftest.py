"""Clips whose pictures spell their number and whose samples spell theirs, and manifests about them, written by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from syncqc.manifest.columns import TRACKS_SCHEMA
from syncqc.manifest.store import PROVENANCE_KEY, lines_table, table_of, tracks_path
from syncqc.media.mux import Encoding, Pictures, SoundTrack, write_clip

torch.set_num_threads(1)

WIDTH, HEIGHT = 64, 48


def numbered(number: int) -> np.ndarray:
    """A picture whose halves spell its number (0-299) in steps that compression does not blur."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, : WIDTH // 2] = number % 16 * 14 + 16
    image[:, WIDTH // 2 :] = number // 16 * 11 + 16
    return image


def number_of(image: torch.Tensor) -> int:
    """The number that a picture (3, height, width) spells."""
    quarter = image.shape[2] // 4
    left, right = image[:, :, : quarter + 1].float().mean().item(), image[:, :, -quarter - 1 :].float().mean().item()
    return round((left - 16) / 14) + 16 * round((right - 16) / 11)


def ramp(n: int, first: int = 0) -> np.ndarray:
    """Samples that spell their number, 0-65533."""
    return (np.arange(first, first + n) - 32767) / 32767


def sample_numbers(sound: torch.Tensor) -> np.ndarray:
    """The numbers that samples spell."""
    return np.rint(sound.numpy().astype(np.float64) * 32768 + 32767).astype(np.int64)


@dataclass
class World:
    """A folder with clips and a manifest."""

    folder: Path

    def clip(self, name: str, n_images: int = 60, sound: np.ndarray | None = None, has_sound: bool = True) -> str:
        """A clip of numbered pictures and, unless given, numbered samples."""
        path = self.folder / f"{name}.mkv"
        if not path.exists():
            pictures = Pictures((numbered(i) for i in range(n_images)), WIDTH, HEIGHT, fps=Fraction(25))
            track = SoundTrack(ramp(n_images * 640) if sound is None else sound, 16_000) if has_sound else None
            write_clip(path, pictures, track, Encoding("mpeg4", "pcm"))
        return str(path)

    def row(self, name: str, n_images: int = 60, first_image: int = 0, **columns: object) -> dict[str, object]:
        """A measured, chosen row of that clip."""
        return {
            "clip_id": name,
            "path": str(self.folder / f"{name}.mkv"),
            "part_index": 0,
            "track_index": 0,
            "start_s": first_image / 25,
            "end_s": (first_image + n_images) / 25,
            "n_images": n_images,
            "is_chosen_track": True,
            "offset_frames": 0,
            "clip_offset_frames": 0,
            "is_offset_drifting": False,
        } | columns

    def manifest(
        self,
        rows: Sequence[dict[str, object]],
        name: str = "m.parquet",
        faces: Sequence[dict[str, object]] | None = None,
        metadata: dict[str, object] | None = None,
    ) -> Path:
        """The rows as a manifest, and the faces beside it."""
        path = self.folder / name
        made_by = {PROVENANCE_KEY: json.dumps(metadata or {}).encode()}
        pq.write_table(table_of(rows).replace_schema_metadata(made_by), path)
        if faces is not None:
            pq.write_table(lines_table(faces, TRACKS_SCHEMA), tracks_path(path), row_group_size=8)
        return path

    def faces(self, name: str, images: Sequence[int], centre: tuple[float, float] = (32.0, 24.0), part: int = 0) -> list[dict[str, object]]:
        """A face 24 px wide whose mouth is at the centre, on these images."""
        x, y = centre
        eyes_and_mouth = [x - 6, y - 12, x + 6, y - 12, x, y - 6, x - 4, y, x + 4, y]
        where = {"clip_id": name, "part_index": part, "track_index": 0, "confidence": 0.9}
        return [where | {"image": i, "box_px": [x - 12, y - 20, x + 12, y + 8], "landmarks_px": eyes_and_mouth} for i in images]

    number_of = staticmethod(number_of)
    sample_numbers = staticmethod(sample_numbers)
    ramp = staticmethod(ramp)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty folder to fill."""
    return World(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A folder that the tests of one module share; the same name gives the same clip."""
    return World(tmp_path_factory.mktemp("shared"))
