from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from syncqc.errors import Failure
from syncqc.manifest.row import Clip
from syncqc.media.mux import Encoding, Pictures, SoundTrack, write_clip
from syncqc.stages.base import Source
from syncqc.stages.part import Part
from syncqc.stages.read import ReadClip
from syncqc.stages.read_by_index import BY_TIME, ReadByIndex

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from made_sources import beep, make_clip, make_wav


def pictures(n: int, is_white_from: int) -> Iterator[np.ndarray]:
    for k in range(n):
        yield np.full((48, 64, 3), 255 if k >= is_white_from else 16, np.uint8)


def flash_and_beep_s(parts: list[Part]) -> tuple[float, float]:
    """When the picture turns white and when the beep begins, as the parts have it."""
    (part,) = parts
    assert part.images is not None
    assert part.sound is not None
    flash = next(k for k, image in enumerate(part.images) if image.mean() > 128)
    first = part.sound.first_sample + int(np.flatnonzero(np.abs(part.sound.samples) > 0.2)[0])
    return flash / 25, first / 16_000


@pytest.mark.parametrize("fps", [25, 30, 50], ids=str)
def test_pictures_and_samples_are_counted(tmp_path: Path, fps: int) -> None:
    path = tmp_path / "x.mp4"
    write_clip(path, Pictures(pictures(2 * fps, fps), 64, 48, Fraction(fps)), beep(5))
    parts = list(ReadByIndex()(Clip("x", str(path))))
    assert [(part.failure, part.n_images, part.row["start_s"], part.row["end_s"]) for part in parts] == [(None, 50, 0.0, 2.0)]
    assert flash_and_beep_s(parts) == (1.0, pytest.approx(0.8, abs=0.002))


@pytest.mark.parametrize(("source", "heard_s"), [(ReadClip(), 1.2), (ReadByIndex(), 1.0)], ids=["by time", "by index"])
def test_timestamps_are_not_looked_at(tmp_path: Path, source: Source, heard_s: float) -> None:
    path = tmp_path / "x.mkv"
    write_clip(path, Pictures(pictures(50, 25), 64, 48, Fraction(25)), beep(0), Encoding(audio_codec="pcm"), start_gap_s=Fraction(1, 5))
    assert flash_and_beep_s(list(source(Clip("x", str(path))))) == (1.0, pytest.approx(heard_s, abs=0.005))


def test_a_sidecar_is_counted_from_the_first_picture(tmp_path: Path) -> None:
    clip = Clip("x", str(make_clip(tmp_path / "x.mp4", None)), str(make_wav(tmp_path / "x.wav", -3)))
    assert flash_and_beep_s(list(ReadByIndex()(clip))) == (1.0, pytest.approx(1.12, abs=0.001))


def test_irregular_pictures_are_read_by_time_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.mkv"
    times_s = [Fraction(k, 25) + Fraction(k % 3, 100) for k in range(50)]
    write_clip(path, Pictures(pictures(50, 25), 64, 48, times_s=times_s), beep(0), Encoding(audio_codec="pcm"))
    parts = list(ReadByIndex()(Clip("x", str(path))))
    assert [part.row["detail"] for part in parts] == [BY_TIME]


def test_parts_are_those_of_every_reader_and_hold_the_same(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "x.mp4", 0, duration_s=6.0)
    ours, theirs = list(ReadByIndex()(Clip("x", str(path)))), list(ReadClip()(Clip("x", str(path))))
    for one, other in zip(ours, theirs, strict=True):
        assert (one.part_index, one.n_parts, one.first_image, one.n_images) == (
            other.part_index,
            other.n_parts,
            other.first_image,
            other.n_images,
        )
        assert one.images is not None
        assert other.images is not None
        assert np.abs(one.images.astype(int) - other.images).max() <= 6  # two conversions from YUV
        assert one.sound is not None
        assert other.sound is not None
        assert one.sound.first_sample == other.sound.first_sample
        assert np.abs(one.sound.samples - other.sound.samples).max() < 0.01


@pytest.mark.parametrize(
    ("make", "failure"),
    [
        (lambda path: path.write_bytes(b"no video"), Failure.UNREADABLE),
        (lambda path: make_clip(path, None), Failure.NO_AUDIO),
        (
            lambda path: write_clip(path, Pictures(pictures(50, 25), 64, 48, Fraction(25)), SoundTrack(np.zeros(32_000), 16_000)),
            Failure.SILENT,
        ),
    ],
    ids=["unreadable", "without sound", "silent"],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, make: object, failure: Failure) -> None:
    path = tmp_path / "x.mp4"
    make(path)  # type: ignore[operator]
    parts = list(ReadByIndex()(Clip("x", str(path))))
    assert [part.failure for part in parts] == [failure]
    assert parts[0].detail
