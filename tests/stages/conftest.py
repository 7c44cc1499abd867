"""Files whose pictures carry their number and whose sound is known sample by sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from syncqc.media.mux import Encoding, Pictures, SoundTrack, write_clip

torch.set_num_threads(1)

WIDTH, HEIGHT = 64, 48


def numbered(number: int) -> np.ndarray:
    """A picture whose halves spell its number (0-299) in steps that compression does not blur."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, : WIDTH // 2] = number % 16 * 14 + 16
    image[:, WIDTH // 2 :] = number // 16 * 11 + 16
    return image


def number_of(image: np.ndarray) -> int:
    """The number that a picture, perhaps made smaller, spells."""
    quarter = image.shape[1] // 4
    left, right = image[:, : quarter + 1].mean(), image[:, -quarter - 1 :].mean()
    return round((left - 16) / 14) + 16 * round((right - 16) / 11)


@dataclass
class Files:
    """Makes files of numbered pictures; the same name gives the same file, so never change one."""

    folder: Path
    made: dict[str, Path] = field(default_factory=dict)

    def make(self, name: str, n_images: int, sound: np.ndarray | None, picture: Callable[[int], np.ndarray] = numbered) -> Path:
        """A file with so many pictures and this sound at 16 kHz."""
        if name not in self.made:
            path = self.folder / f"{name}.mkv"
            pictures = Pictures((picture(i) for i in range(n_images)), WIDTH, HEIGHT, fps=Fraction(25))
            write_clip(path, pictures, None if sound is None else SoundTrack(sound, 16_000), Encoding("mpeg4", "pcm"))
            self.made[name] = path
        return self.made[name]

    number_of = staticmethod(number_of)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The maker of this test run's files."""
    return Files(tmp_path_factory.mktemp("files"))
