from __future__ import annotations

from typing import Any

import numpy as np

from syncqc.manifest.row import Clip
from syncqc.media.mel import MelFrontEnd, reach
from syncqc.stages.listen import Listen
from syncqc.stages.part import Mel, Part, Sound, Track
from syncqc.stages.read import mel_span
from syncqc.train.hearer import Hearer, heard

W = 2
N = 20


class FakeScore:
    """Embeds window j of the picture as the direction of j, and the sound likewise; what was asked for is noted."""

    w = W

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.n_seen = 0

    def embed_video(self, crops: np.ndarray) -> np.ndarray:
        self.n_seen += 1
        return np.eye(60, dtype=np.float32)[10 : 10 + len(crops) - 4]

    def embed_audio(self, mel: Mel, first_window: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        self.asked.append((first_window, n))
        return np.eye(60, dtype=np.float32)[10 - 2 * W : 10 - 2 * W + n], np.arange(n) >= 2 * W


def part(first_image: int = 100) -> Part:
    first, end = reach(*mel_span(first_image, N, 2 * W))
    samples = (0.1 * np.random.default_rng(1).normal(size=end - first)).astype(np.float32)
    made = Part(Clip("a", "a.mp4"), 1, 2, first_image, N, sound=Sound(samples, first, np.ones(len(samples), np.bool_)))
    nothing = np.zeros((0, 4), np.float32)
    crops = np.zeros((N - 2, 4, 4, 3), np.uint8)
    made.tracks = [Track(first_image + 2, crops, np.zeros(0, np.int32), nothing, nothing.reshape(0, 2, 2), np.zeros(0, np.float32))]
    return made


def test_a_track_is_seen_once_and_heard_to_twice_the_reach() -> None:
    score: Any = FakeScore()
    one = part()
    hearer = Hearer(one, score, MelFrontEnd())
    assert one.sound is not None
    (cosines, counts), *_ = (hearer.beside_sound(one.sound) for _ in range(3))
    n = N - 2 - 4
    assert (score.n_seen, hearer.n_windows) == (1, n)
    assert score.asked == [(102 - 2 * W, n + 4 * W)] * 3
    assert cosines.shape == counts.shape == (4 * W + 1, n)
    assert cosines.argmax(axis=0).tolist() == [2 * W] * n
    assert counts[0].tolist() == [False] * (2 * W) + [True] * (n - 2 * W)


def test_the_mel_of_the_own_sound_is_that_of_listen() -> None:
    one = part()
    assert one.sound is not None
    found = heard(one, one.sound, W, MelFrontEnd())
    listen = Listen(w=W)
    finder: Any = type("Finder", (), {"speech_probability": lambda _, samples: np.ones(-(-len(samples) // 512), np.float32)})
    listen._finder = finder()
    listen([one])
    assert one.mel is not None
    assert (found.first_column, found.columns.shape) == (one.mel.first_column, one.mel.columns.shape)
    np.testing.assert_array_equal(found.columns, one.mel.columns)
    np.testing.assert_array_equal(found.is_present, one.mel.is_present)
