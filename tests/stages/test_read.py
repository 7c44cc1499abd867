"""From file to parts: every image once, the right sound around each, and a reason wherever something is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from syncqc.clock import first_mel_column
from syncqc.errors import ClipError, Failure
from syncqc.manifest.row import Clip
from syncqc.media.mel import reach
from syncqc.stages import read
from syncqc.stages.part import Part
from syncqc.stages.read import ReadClip, mel_span, together

W = 4
"""Small, so that the sound around a part does not reach to the ends of the file."""


def noise(n_images: int, seed: int = 1) -> np.ndarray:
    return 0.2 * np.random.default_rng(seed).uniform(-1, 1, n_images * 640)


SOUND = noise(300)
FACTS = {
    "container_format": "matroska,webm",
    "video_codec": "mpeg4",
    "width_px": 64,
    "height_px": 48,
    "source_fps": pytest.approx(25.0, abs=0.01),
    "is_vfr": False,
    "rotation_deg": 0,
    "duration_s": pytest.approx(12.0, abs=0.002),
}
OF_THE_SOUND = {"audio_codec": "pcm_s16le", "source_audio_rate_hz": 16_000, "source_audio_channels": 1}


@pytest.fixture
def twelve_s(files: Any) -> Path:
    return files.make("twelve-seconds", 300, SOUND)


def parts_of(path: Path | str, audio: Path | None = None, **settings: Any) -> list[Part]:
    return list(ReadClip(**{"w": W, **settings})(Clip("a", str(path), str(audio) if audio else None)))


def having(row: dict[str, object], like: dict[str, Any]) -> dict[str, object]:
    return {name: row.get(name) for name in like}


def numbers(part: Part, files: Any) -> list[int]:
    assert part.images is not None
    return [files.number_of(image) for image in part.images]


def test_twelve_seconds_are_three_equal_parts_that_hold_every_image_once(files: Any, twelve_s: Path) -> None:
    parts = parts_of(twelve_s)
    assert [(p.part_index, p.n_parts, p.first_image, p.n_images) for p in parts] == [(0, 3, 0, 100), (1, 3, 100, 100), (2, 3, 200, 100)]
    assert [n for p in parts for n in numbers(p, files)] == list(range(300))
    assert [(p.row["start_s"], p.row["end_s"], p.row["n_images"]) for p in parts] == [(0.0, 4.0, 100), (4.0, 8.0, 100), (8.0, 12.0, 100)]
    assert [p.failure for p in parts] == [None] * 3


def test_every_part_tells_what_the_container_says(twelve_s: Path) -> None:
    for part in parts_of(twelve_s):
        assert having(part.row, FACTS | OF_THE_SOUND) == FACTS | OF_THE_SOUND
        assert part.row["audio_duration_s"] == pytest.approx(12.0, abs=0.01)
        assert part.row["av_start_gap_ms"] == pytest.approx(0.0, abs=1.0)
        assert (part.row["frozen_ratio"], part.row["frozen_start_s"]) == (0.0, 0.0)
        assert "detail" not in part.row


def test_the_sound_around_a_part_is_all_that_its_mel_needs(twelve_s: Path) -> None:
    for part in parts_of(twelve_s):
        assert part.sound is not None
        sound = part.sound
        first, end = reach(*mel_span(part.first_image, part.n_images, 2 * W))
        assert (sound.first_sample, sound.first_sample + len(sound.samples)) == (first, end)
        at = np.arange(first, end)
        inside = (at >= 0) & (at < len(SOUND))
        expected = np.where(inside, SOUND[np.clip(at, 0, len(SOUND) - 1)], 0)
        assert np.array_equal(sound.is_present, inside)
        assert np.abs(sound.samples - expected).max() < 1e-4


def test_the_span_of_mel_holds_every_window_at_every_shift() -> None:
    first, n = mel_span(100, 60, 30)
    for rounding in ("round", "floor"):
        starts = [first_mel_column(j, rounding) for j in range(100 - 30, 156 + 30)]
        assert first <= min(starts)
        assert max(starts) + 32 <= first + n
    # Not much more than that: four images behind the last window.
    assert first + n - max(starts) - 32 <= 14
    assert min(starts) == first


def test_a_larger_w_keeps_more_sound(twelve_s: Path) -> None:
    narrow, wide = (parts_of(twelve_s, w=w)[1].sound for w in (2, 3))
    assert narrow is not None
    assert wide is not None
    # One w is two images on either side, since twice as many shifts may be searched.
    assert wide.first_sample == pytest.approx(narrow.first_sample - 2 * 640, abs=200)
    assert len(wide.samples) == pytest.approx(len(narrow.samples) + 4 * 640, abs=200)


def test_shorter_parts_on_request(twelve_s: Path) -> None:
    assert [p.n_images for p in parts_of(twelve_s, max_part_s=2.5)] == [60] * 5


def test_large_pictures_are_reduced_and_the_part_says_by_how_much(files: Any, twelve_s: Path) -> None:
    (part, *_) = parts_of(twelve_s, max_short_side_px=24)
    assert part.images is not None
    assert part.images.shape == (100, 24, 32, 3)
    assert part.image_scale == 0.5
    assert numbers(part, files) == list(range(100))
    assert having(part.row, {"width_px": 0, "height_px": 0}) == {"width_px": 64, "height_px": 48}


def test_a_silent_file_fails_as_silent(files: Any) -> None:
    (part,) = parts_of(files.make("silent", 30, np.zeros(30 * 640)))
    assert (part.failure, part.detail) == (Failure.SILENT, "the sound of this part is digital silence")
    assert part.images is not None, "pictures are kept: others may still look at them"
    assert having(part.row, OF_THE_SOUND) == OF_THE_SOUND


@pytest.mark.parametrize(("peak", "failure"), [(9e-4, Failure.SILENT), (2e-3, None)], ids=["-61 dB", "-54 dB"])
def test_how_soft_silence_is(files: Any, peak: float, failure: Failure | None) -> None:
    sound = np.zeros(30 * 640)
    sound[9000:9100] = peak
    assert parts_of(files.make(f"soft-{peak}", 30, sound))[0].failure == failure


def test_without_sound_the_clip_is_one_failed_part_that_tells_what_the_container_says(files: Any) -> None:
    (part,) = parts_of(files.make("mute", 300, None))
    assert part.failure is Failure.NO_AUDIO
    assert part.detail == "the file has no sound track and no sidecar sound is given"
    assert (part.part_index, part.n_parts, part.images, part.sound) == (0, 1, None, None)
    assert having(part.row, FACTS) == FACTS
    assert (part.row["audio_codec"], part.row["start_s"], part.row["n_images"]) == (None, 0.0, 300)


def test_where_the_sound_ends_the_parts_fail(files: Any) -> None:
    parts = parts_of(files.make("half-mute", 300, SOUND[: 170 * 640]))
    assert [p.failure for p in parts] == [None, None, Failure.NO_AUDIO]
    assert parts[2].detail == "there is no sound in this part"
    assert parts[1].sound is not None
    middle = 170 * 640 - parts[1].sound.first_sample
    assert parts[1].sound.is_present[middle - 5 : middle + 5].tolist() == [True] * 5 + [False] * 5


def test_a_sidecar_takes_the_place_of_the_files_own_sound(twelve_s: Path, tmp_path: Path) -> None:
    other = noise(300, 7)
    soundfile.write(tmp_path / "other.wav", other, 16_000)
    part = parts_of(twelve_s, tmp_path / "other.wav")[1]
    assert part.sound is not None
    at = part.sound.first_sample
    assert np.abs(part.sound.samples - other[at : at + len(part.sound.samples)]).max() < 1e-4


@pytest.mark.parametrize("audio_start_s", [0.0, 2.5, 60.04, 95.0, -1.5], ids=str)
def test_a_sidecar_that_many_clips_share_is_read_from_where_the_list_says(twelve_s: Path, tmp_path: Path, audio_start_s: float) -> None:
    shared = noise(25 * 100, 8)
    soundfile.write(tmp_path / "shared.wav", shared, 16_000)
    clip = Clip("a", str(twelve_s), str(tmp_path / "shared.wav"), audio_start_s=audio_start_s)
    parts = list(ReadClip(w=W)(clip))
    for part in parts:
        assert part.sound is not None
        at = part.sound.first_sample + round(audio_start_s * 16_000) + np.arange(len(part.sound.samples))
        inside = (at >= 0) & (at < len(shared))
        assert np.array_equal(part.sound.is_present, inside)
        assert np.abs(part.sound.samples - np.where(inside, shared[np.clip(at, 0, len(shared) - 1)], 0)).max() < 1e-4
    # 100 s in all: from 95 s on it lasts for five of the clip's twelve.
    assert [p.failure for p in parts] == [None, None, Failure.NO_AUDIO if audio_start_s == 95 else None]


@pytest.mark.parametrize(
    ("content", "failure"),
    [(b"this is a text and no film", Failure.UNREADABLE), (b"", Failure.UNREADABLE), (None, Failure.UNREADABLE)],
    ids=["text", "empty", "not there"],
)
def test_what_is_no_film_is_one_failed_part(tmp_path: Path, content: bytes | None, failure: Failure) -> None:
    path = tmp_path / "film.mp4"
    if content is not None:
        path.write_bytes(content)
    (part,) = parts_of(path)
    assert (part.failure, part.part_index, part.n_parts, part.n_images) == (failure, 0, 1, 0)
    assert part.detail
    (row,) = part.rows()
    assert (row["clip_id"], row["path"], row["failure"]) == ("a", str(path), "unreadable")


def images_until(end: int, made: Callable[..., Iterator[np.ndarray]]) -> Callable[..., Iterator[np.ndarray]]:
    """`read_images` that finds no more than `end` images."""

    def few(*arguments: Any) -> Iterator[np.ndarray]:
        for k, image in enumerate(made(*arguments)):
            if k == end:
                return
            yield image

    return few


def test_a_file_that_breaks_off_gives_what_can_be_decoded(files: Any, twelve_s: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "read_images", images_until(120, read.read_images))
    parts = parts_of(twelve_s)
    assert [(p.failure, p.n_images) for p in parts] == [(None, 100), (None, 20), (Failure.UNREADABLE, 100)]
    assert "detail" not in parts[0].row
    assert parts[1].row["detail"] == "decoding ends after 4.80 s"
    assert (parts[1].row["n_images"], parts[1].row["end_s"]) == (20, 4.8)
    assert numbers(parts[1], files) == list(range(100, 120))
    assert parts[1].sound is not None
    assert parts[1].sound.first_sample + len(parts[1].sound.samples) == reach(*mel_span(100, 20, 2 * W))[1]
    assert parts[2].detail == "no picture can be decoded from 8.00 s on"
    assert parts[2].images is None
    assert (parts[2].row["start_s"], parts[2].row["end_s"]) == (8.0, 12.0)


def test_what_is_unusual_about_the_file_and_the_part_is_both_told(twelve_s: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def probed(*arguments: Any) -> Any:
        facts = real(*arguments)
        facts.notes.append("the file breaks off")
        return facts

    real = read.probe
    monkeypatch.setattr(read, "probe", probed)
    monkeypatch.setattr(read, "read_images", images_until(120, read.read_images))
    parts = parts_of(twelve_s)
    assert [p.row.get("detail") for p in parts[:2]] == ["the file breaks off", "the file breaks off; decoding ends after 4.80 s"]
    assert parts[2].rows()[0]["detail"] == "no picture can be decoded from 8.00 s on"


def test_sound_that_cannot_be_read_fails_the_parts_and_raises_nothing(twelve_s: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self, *_: object) -> None:
            pass

        def read(self, *_: int) -> None:
            raise ClipError(Failure.UNREADABLE, "the sound is damaged")

    monkeypatch.setattr(read, "SoundReader", Broken)
    parts = parts_of(twelve_s)
    assert [(p.failure, p.detail, p.n_images) for p in parts] == [(Failure.UNREADABLE, "the sound is damaged", 100)] * 3
    assert [p.sound for p in parts] == [None] * 3


def test_a_picture_that_stands_still_across_a_border_counts_in_both_parts(twelve_s: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def frozen(*arguments: Any) -> Iterator[np.ndarray]:
        still = None
        for k, image in enumerate(real(*arguments)):
            still = image if still is None or not 90 <= k < 120 else still
            yield still

    real = read.read_images
    monkeypatch.setattr(read, "read_images", frozen)
    # Images 90 ... 119 repeat image 89: ten in part 0 (of 99 that can repeat one), twenty in part 1.
    parts = parts_of(twelve_s)
    assert [p.row["frozen_ratio"] for p in parts] == [pytest.approx(10 / 99), pytest.approx(0.2), 0.0]
    assert [p.row["frozen_start_s"] for p in parts] == [0.0, 0.8, 0.0]


def test_images_are_put_together_as_they_come() -> None:
    stream = iter([np.full((2, 3, 3), i, np.uint8) for i in range(5)])
    first, rest, nothing = together(stream, 3), together(stream, 3), together(stream, 3)
    assert first is not None
    assert rest is not None
    assert first[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert rest[:, 0, 0, 0].tolist() == [3, 4]
    assert nothing is None


def test_parts_are_made_one_at_a_time(twelve_s: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def counted(*arguments: Any) -> Iterator[np.ndarray]:
        for image in real(*arguments):
            drawn.append(image)
            yield image

    real = read.read_images
    monkeypatch.setattr(read, "read_images", counted)
    next(ReadClip(w=W)(Clip("a", str(twelve_s))))
    assert len(drawn) == 100
