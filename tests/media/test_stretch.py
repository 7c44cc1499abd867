from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from syncqc.errors import ClipError, Failure
from syncqc.media import stretch
from syncqc.media.probe import probe
from syncqc.media.stretch import Start, open_stretch, read_start
from syncqc.media.video import read_images

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac")
LONG = {"sound_s": 6.0, "chirps_s": (1.5,)}
VFR_KEPT = tuple(i for i in range(360) if i % 25 in (0, 1, 5, 17))
FILES = {
    "mp4 h264 with B-frames": (".mp4", ("-g", "12", "-bf", "2"), LONG),
    "mp4 h264, one key frame": (".mp4", ("-g", "999", "-bf", "2"), LONG),
    "mp4 h264, open groups": (".mp4", (*X264, "-bf", "3", "-x264-params", "open-gop=1:keyint=24:min-keyint=24:b-adapt=0"), LONG),
    "mp4 h264, key frames at random": (".mp4", (*X264, "-bf", "2", "-force_key_frames", "0.52,0.6,2.04,3.32,3.36,5"), LONG),
    "mp4 mpeg4 with B-frames": (".mp4", ("-c:v", "mpeg4", "-g", "15", "-bf", "2", "-c:a", "aac"), LONG),
    "mp4 fragments": (".mp4", ("-g", "25", "-bf", "2", "-movflags", "frag_keyframe+empty_moov"), LONG),
    "mp4 vfr": (".mp4", ("-g", "12", "-bf", "2"), {**LONG, "fps": Fraction(60), "n_pictures": 360, "kept": VFR_KEPT}),
    "mp4 29.97": (".mp4", ("-g", "12", "-bf", "2"), {**LONG, "fps": Fraction(30000, 1001)}),
    "mp4 5 fps": (".mp4", ("-g", "3"), {**LONG, "fps": Fraction(5)}),
    "mov h264": (".mov", ("-g", "12", "-bf", "2", "-c:a", "pcm_s16le"), LONG),
    "mkv h264": (".mkv", ("-g", "12", "-bf", "2"), LONG),
    "webm vp9": (".webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "20", "-c:a", "libopus"), LONG),
    "avi mpeg4": (".avi", ("-bf", "2"), LONG),
    "ts h264": (".ts", ("-g", "12", "-bf", "2"), LONG),
    "flv h264": (".flv", ("-g", "12", "-bf", "2"), LONG),
}  # fmt: skip


def images_of(path: str, first: int, end: int, **options: int) -> np.ndarray:
    with open_stretch(path, first, end, **options) as found:
        return np.stack(list(found.images))


def scale_and_start(path: str, first: int, **options: int) -> tuple[float, Start]:
    with open_stretch(path, first, first + 1, **options) as found:
        return found.image_scale, found.start


def assert_same_as_from_the_start(path: Path, n_threads: int = 1) -> None:
    facts = probe(str(path))
    whole = np.stack(list(read_images(str(path), facts)))
    n = len(whole)
    assert n > 40
    for first, end in ((0, 9), (1, 2), (11, 30), (n // 2, n // 2 + 3), (n - 13, n)):
        found = images_of(str(path), first, end, n_threads=n_threads)
        np.testing.assert_array_equal(found, whole[first:end], err_msg=f"images {first} to {end}")
        scale, start = scale_and_start(str(path), first)
        assert (scale, start.zero_s) == (1, facts.zero_s)


@pytest.mark.parametrize(("suffix", "output", "source"), FILES.values(), ids=FILES.keys())
def test_a_stretch_is_what_reading_from_the_start_gives(make, suffix: str, output: tuple[str, ...], source: dict[str, object]) -> None:
    assert_same_as_from_the_start(make.clip(suffix, *output, **source))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("where", ["before the input", "after the input"])
def test_a_stretch_of_a_file_that_was_cut_without_encoding(make, suffix: str, where: str) -> None:
    whole = make.clip(".mp4", "-g", "30", "-bf", "2", **LONG)
    cut = ("-ss", "1.3")
    before, after = (cut, ()) if where == "before the input" else ((), cut)
    assert_same_as_from_the_start(make.changed(whole, suffix, *after, "-t", "4", "-c", "copy", before=before))


@pytest.mark.parametrize("delay_s", ["0.3", "-0.3"])
def test_a_stretch_where_picture_and_sound_begin_apart(make, delay_s: str) -> None:
    assert_same_as_from_the_start(make.clip(".mp4", "-g", "12", "-bf", "2", before_video=("-itsoffset", delay_s), **LONG))


def test_threads_change_nothing(make) -> None:
    assert_same_as_from_the_start(make.clip(".mp4", "-g", "12", "-bf", "2", **LONG), n_threads=3)


def test_a_reduced_stretch_with_pixels_that_are_not_square(make) -> None:
    path = str(make.clip(".mp4", "-g", "12", "-vf", "setsar=16/11", sound_s=4.0))
    whole = np.stack(list(read_images(path, probe(path), max_short_side_px=24)))
    found = images_of(path, 50, 60, max_short_side_px=24)
    assert found.shape == (10, 24, 46, 3)
    assert scale_and_start(path, 50, max_short_side_px=24)[0] == 0.5
    np.testing.assert_array_equal(found, whole[50:60])


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times of the pictures that are decoded from now on."""
    times: list[float] = []
    real = stretch.decoded_pictures

    def counted(*arguments):
        for frame, time_s in real(*arguments):
            times.append(float(time_s))
            yield frame, time_s

    monkeypatch.setattr(stretch, "decoded_pictures", counted)
    return times


def test_no_more_is_decoded_than_from_the_key_frame_on(make, decoded: list[float]) -> None:
    images_of(str(make.clip(".mp4", "-g", "12", "-bf", "0", **LONG)), 130, 135)
    # The first picture, for the zero; then from the key frame before image 130 to the picture that ends image 134.
    assert [round(time_s * 25) for time_s in decoded] == [0, *range(120, 136)]


@pytest.mark.parametrize("suffix", [".avi", ".ts"])
def test_without_an_index_decoding_begins_with_the_file(make, suffix: str, decoded: list[float]) -> None:
    images_of(str(make.clip(suffix, **LONG)), 100, 102)
    assert len(decoded) > 100


def test_where_no_key_frame_is_found_decoding_begins_with_the_file(make, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(make.clip(".mp4", "-g", "12", "-bf", "2", **LONG))
    expected = images_of(path, 70, 75)
    monkeypatch.setattr(stretch, "_sought", lambda *_: None)
    np.testing.assert_array_equal(images_of(path, 70, 75), expected)


def test_beyond_the_end_there_are_fewer_images_or_none(make) -> None:
    path = str(make.clip(".mp4", "-g", "12", **LONG))
    assert len(images_of(path, 140, 200)) == 10
    with pytest.raises(ClipError, match=r"no picture can be decoded from 8\.00 s on") as caught:
        images_of(path, 200, 205)
    assert caught.value.failure is Failure.UNREADABLE


@pytest.mark.parametrize("read", [lambda path: images_of(path, 0, 5), read_start], ids=["open_stretch", "read_start"])
def test_what_holds_no_pictures(make, tmp_path: Path, read) -> None:
    with pytest.raises(ClipError) as caught:
        read(str(make.clip(".wav", with_video=False)))
    assert caught.value.failure is Failure.NO_VIDEO
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ClipError, match="cannot be opened"):
        read(str(tmp_path / "text.mp4"))


@pytest.mark.parametrize("video", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize(("sidecar", "codec"), [(".wav", "pcm_s16le"), (".mp3", "libmp3lame"), (".m4a", "aac")])
@pytest.mark.parametrize("audio_start_s", [None, 0.52])
def test_the_zero_of_the_sound_is_that_of_the_probe(make, video: str, sidecar: str, codec: str, audio_start_s: float | None) -> None:
    path = make.clip(video, "-bf", "2", before_video=("-itsoffset", "0.2"))
    sound = make.changed(path, sidecar, "-vn", "-c:a", codec)
    facts = probe(str(path), str(sound), audio_start_s)
    skip_s = Fraction(0) if audio_start_s is None else Fraction(13, 25)
    assert read_start(str(path)).sound_zero_s(str(sound), skip_s) == facts.sound_zero_s(is_sidecar=True)
    assert read_start(str(path)).sound_zero_s(None) == facts.sound_zero_s(is_sidecar=False)
