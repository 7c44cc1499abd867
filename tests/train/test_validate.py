"""Validation, with a network that reads the time off the picture and off the sound, so that the answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from syncqc.clock import offset_of_shift
from syncqc.measure.similarity import mean_curve, similarity_matrix, validity
from syncqc.media.mel import MelFrontEnd, slaney_bands
from syncqc.train.cache import CropCache
from syncqc.train.validate import Validation, embed_track, validate

MEL = MelFrontEnd()
N = 76
"""Images of a track: one mel band each, the first four left out."""


def chirp(offset_frames: int, is_backwards: bool = False) -> np.ndarray:
    """Sound whose band tells the image: at image k it is in band 4 + k + offset_frames, so it comes `offset_frames` early."""
    bands = slaney_bands(MEL.min_hz, MEL.max_hz)
    middle_hz = np.linspace(0, 8000, 401)[bands.argmax(axis=1)]
    images = np.arange((N + 80) * 640) / 640 - 40
    code = np.clip(4 + images + offset_frames, 0, 79)
    hz = np.interp(79 - code if is_backwards else code, np.arange(80), middle_hz)
    return 0.5 * np.sin(2 * np.pi * np.cumsum(hz) / 16_000)


def numbered_face(faces: Any, offset_frames: int, speaker: str, is_backwards: bool = False, **about: Any) -> Any:
    """Image k has the grey level 3 k; the sound is a chirp."""
    crops = np.broadcast_to((3 * np.arange(N))[:, None, None, None], (N, 24, 48, 3)).astype(np.uint8)
    return faces.of(crops, chirp(offset_frames, is_backwards), speaker=speaker, **about)


class TimeReader(nn.Module):
    """Embeds the time of a window's first image: cosines fall with the distance in time."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(height_px=16, width_px=32)
        self.log_tau = torch.tensor(0.0)
        self.rates = torch.linspace(0.02, 0.3, 16)
        self.modes: list[bool] = []

    def embed_video(self, images: Tensor) -> Tensor:
        self.modes.append(self.training)
        assert images.shape[1:] == (15, 16, 32)
        return self._at(images[:, 0, 8, 16] * 255 / 3)

    def embed_audio(self, mel: Tensor) -> Tensor:
        # Column 8 begins with the window's first image.
        return self._at(mel[:, 0, 7:10].argmax(dim=2).float().mean(dim=1) - 4)

    def _at(self, time: Tensor) -> Tensor:
        angles = time[:, None] * self.rates
        return F.normalize(torch.cat([angles.cos(), angles.sin()], dim=1), dim=1)


@dataclass
class Bench:
    """Makes tracks and their validation."""

    faces: Any
    make_cache: Callable[..., CropCache]

    def tracks(self, *faces: Any) -> list[Any]:
        cache = self.make_cache(*faces)
        return [(cache, entry) for entry in cache.entries]

    def validated(self, *faces: Any, w: int = 15) -> Validation:
        return validate(TimeReader(), self.tracks(*faces), MEL, w)  # type: ignore[arg-type]


@pytest.fixture
def bench(faces: Any, make_cache: Callable[..., CropCache]) -> Bench:
    return Bench(faces, make_cache)


@pytest.mark.parametrize("offset", [0, 3, -4, 12])
@pytest.mark.parametrize("w", [12, 15])
def test_embedded_tracks_show_their_offset(bench: Bench, offset: int, w: int) -> None:
    (cache, entry), *_ = bench.tracks(numbered_face(bench.faces, offset, "a"))
    video, audio, has_sound = embed_track(TimeReader(), cache, entry, MEL, w)  # type: ignore[arg-type]
    assert (len(video), len(audio), len(has_sound)) == (N - 4, N - 4 + 2 * w, N - 4 + 2 * w)
    # Within the chirp's range of bands.
    inside = slice(15, 55)
    matrix = similarity_matrix(video, audio)[:, inside]
    curve = mean_curve(matrix, validity(has_sound, w)[:, inside])
    assert offset_of_shift(int(np.nanargmax(curve)), w) == offset
    assert np.nanmax(curve) > 0.99


def test_sound_the_file_does_not_have_does_not_count(bench: Bench) -> None:
    # The file's sound begins with the track's image 10 and ends with image 60.
    (cache, entry), *_ = bench.tracks(numbered_face(bench.faces, 0, "a", present=(50 * 640, 100 * 640)))
    *_, has_sound = embed_track(TimeReader(), cache, entry, MEL, 15)  # type: ignore[arg-type]
    windows = np.flatnonzero(has_sound) - 15
    # A window needs its 16 aligned columns: the first begins at image 10, the last ends by image 60.
    assert (windows[0], windows[-1]) == (10, 55)
    assert len(windows) == 46


def test_a_network_that_knows_the_time_is_perfect(bench: Bench) -> None:
    found = bench.validated(numbered_face(bench.faces, 3, "a"), numbered_face(bench.faces, 0, "b", is_backwards=True))
    assert found.n_tracks == 2
    assert found.halves_agree is not None
    assert found.window_accuracy is not None
    assert found.true_over_foreign is not None
    assert found.mean_margin is not None
    one = bench.validated(numbered_face(bench.faces, 3, "a"))
    # All windows but those at the ends of the chirp's range, judged around the track's own offset of 3.
    assert one.window_accuracy == pytest.approx(1.0, abs=0.12)
    assert one.halves_agree == 1.0
    assert one.mean_margin == pytest.approx(found.mean_margin, abs=0.5)
    assert one.mean_margin > 0.3


def test_the_own_sound_is_compared_with_another_speakers(bench: Bench) -> None:
    right = [numbered_face(bench.faces, 0, speaker) for speaker in "ab"]
    wrong = numbered_face(bench.faces, 0, "c", is_backwards=True)
    # Only a backwards sound is foreign to all: 'a' and 'b' sound alike, and 'c' fits neither itself nor them.
    assert bench.validated(right[0], wrong).true_over_foreign == 0.5
    # Alone, or among tracks of one speaker, there is nothing to compare with.
    assert bench.validated(right[0]).true_over_foreign is None
    assert bench.validated(right[0], numbered_face(bench.faces, 2, "a")).true_over_foreign is None


def test_halves_that_disagree_are_seen(bench: Bench) -> None:
    face = numbered_face(bench.faces, 0, "a")
    late = chirp(-5)
    half = (40 + N // 2) * 640
    face.sound[half:] = late[half:]
    assert bench.validated(face).halves_agree == 0.0


def test_tracks_without_sound_are_not_judged(bench: Bench) -> None:
    found = bench.validated(numbered_face(bench.faces, 0, "a", present=(0, 0)))
    assert found == Validation(None, None, None, None, 0)


def test_no_tracks_give_no_figures() -> None:
    assert validate(TimeReader(), [], MEL) == Validation(None, None, None, None, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("was_training", [True, False])
def test_the_network_is_judged_in_evaluation_mode_and_left_as_it_was(bench: Bench, was_training: bool) -> None:
    network = TimeReader().train(was_training)
    validate(network, bench.tracks(numbered_face(bench.faces, 0, "a")), MEL)  # type: ignore[arg-type]
    assert set(network.modes) == {False}
    assert network.training is was_training
