from __future__ import annotations

import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.errors import ClipError, Failure
from syncqc.media.probe import probe
from syncqc.media.video import frames_on_show, image_scale, read_images

HALF_MS = Fraction(1, 2000)
VFR_TICKS = (0, 3, 17, 18, 60, 61, 62, 100, 111, 150, 200, 239)


def numbers(make, path: Path, **options: int) -> list[int]:
    return [make.number_of(image) for image in read_images(str(path), probe(str(path)), **options)]


def on_show(times_s: list[Fraction], n_images: int) -> list[int]:
    """By definition: for each image k the last picture that appears by k/25 s, half a millisecond being forgiven."""
    return [max(i for i, time_s in enumerate(times_s) if time_s <= Fraction(k, 25) + HALF_MS) for k in range(n_images)]


# The choice of frames, without files

ticks = st.lists(st.integers(0, 4000), min_size=1, max_size=40, unique=True).map(sorted)


@given(ticks=ticks, per_s=st.sampled_from([1000, 90_000, 12_800, 600]), n_images=st.integers(1, 200), last=st.integers(1, 500))
def test_image_k_is_the_last_frame_that_appeared_by_then(ticks: list[int], per_s: int, n_images: int, last: int) -> None:
    times_s = [Fraction(tick - ticks[0], per_s) for tick in ticks]
    frames = [(i, time_s, Fraction(last, per_s)) for i, time_s in enumerate(times_s)]
    chosen = list(frames_on_show(frames, n_images))
    assert chosen == on_show(times_s, len(chosen))
    end_s = times_s[-1] + Fraction(last, per_s)
    expected = [k for k in range(n_images) if k == 0 or Fraction(k, 25) + HALF_MS < end_s]
    assert len(chosen) == len(expected)


@given(fps=st.sampled_from([10, 15, 24, 25, 30, 50, 60, 120]), seconds=st.integers(1, 5))
def test_times_rounded_to_ms_choose_as_exact_ones(fps: int, seconds: int) -> None:
    exact = [Fraction(i, fps) for i in range(fps * seconds)]
    rounded = [Fraction(round(time_s * 1000), 1000) for time_s in exact]
    both = [list(frames_on_show([(i, t, Fraction(1, fps)) for i, t in enumerate(times)], 25 * seconds)) for times in (exact, rounded)]
    assert both[0] == both[1]
    assert len(both[0]) == 25 * seconds


@given(ticks=ticks, n_images=st.integers(1, 200), first=st.integers(0, 60), last=st.integers(1, 500), skipped=st.integers(0, 40))
def test_from_a_later_image_on_frames_are_the_same(ticks: list[int], n_images: int, first: int, last: int, skipped: int) -> None:
    frames = [(i, Fraction(tick - ticks[0], 1000), Fraction(last, 1000)) for i, tick in enumerate(ticks)]
    from_start = list(frames_on_show(frames, n_images))
    # Frames may be left out as long as the first one left is on show at the first image.
    able = [i for i, (_, time_s, _) in enumerate(frames) if time_s <= Fraction(first, 25)]
    assert list(frames_on_show(frames[min(skipped, able[-1]) :], n_images, first)) == from_start[first:]


def test_no_more_frames_are_taken_than_needed() -> None:
    taken = []

    def frames():
        for i in range(100):
            taken.append(i)
            yield i, Fraction(i, 25), Fraction(1, 25)

    assert list(frames_on_show(frames(), 3)) == [0, 1, 2]
    assert taken == [0, 1, 2, 3]


def test_no_frames_give_no_images() -> None:
    assert list(frames_on_show([], 10)) == []


# Files

RATES = {
    "23.976": Fraction(24000, 1001),
    "24": Fraction(24),
    "25": Fraction(25),
    "29.97": Fraction(30000, 1001),
    "30": Fraction(30),
    "50": Fraction(50),
    "60": Fraction(60),
}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("fps", RATES.values(), ids=RATES.keys())
def test_constant_rates(make, fps: Fraction, suffix: str) -> None:
    n = round(2 * fps)
    shown = numbers(make, make.clip(suffix, "-bf", "2", fps=fps, n_pictures=n))
    assert shown == on_show([i / fps for i in range(n)], len(shown))
    # The last picture is on show until its end, half a millisecond left aside.
    assert len(shown) == math.ceil((n / fps - HALF_MS) * 25)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_variable_rate(make, suffix: str) -> None:
    path = make.clip(suffix, "-bf", "0", fps=Fraction(120), n_pictures=240, kept=VFR_TICKS)
    shown = numbers(make, path)
    chosen = on_show([Fraction(tick, 120) for tick in VFR_TICKS], 50)
    assert shown == [VFR_TICKS[i] for i in chosen]


@pytest.mark.parametrize(
    "output",
    [("-bf", "0"), ("-bf", "2"), ("-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le")],
    ids=["mpeg4", "mpeg4 with B-frames", "h264 with B-frames"],
)
def test_avi_which_holds_no_presentation_times(make, output: tuple[str, ...]) -> None:
    shown = numbers(make, make.clip(".avi", *output))
    # The first picture may be repeated where the sound begins earlier; then each is shown once, in order.
    assert shown[shown.count(0) - 1 :] == list(range(50))


def ffmpeg_pictures(make, path: Path, width: int = 64, height: int = 48) -> tuple[list[float], list[int]]:
    """Times and numbers of the pictures as the ffmpeg program decodes them."""
    options = ("-map", "0:v:0", "-vf", "showinfo", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    raw, log = make.ffmpeg("-copyts", "-i", str(path), *options)
    times_s = [float(time) for time in re.findall(r"showinfo.* n: *\d+ .*pts_time:(\S+)", log)]
    pictures = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
    return times_s, [make.number_of(picture) for picture in pictures]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("where", ["before the input", "after the input"])
def test_cut_without_encoding_is_read_as_ffmpeg_reads_it(make, suffix: str, where: str) -> None:
    whole = make.clip(".mp4", "-g", "30", "-bf", "2", sound_s=4.0, chirps_s=(1.5, 2.5))
    cut = ("-ss", "1.3")
    before, after = (cut, ()) if where == "before the input" else ((), cut)
    path = make.changed(whole, suffix, *after, "-t", "2", "-c", "copy", before=before)
    times_s, expected = ffmpeg_pictures(make, path)
    shown = numbers(make, path)
    assert shown == [expected[i] for i in on_show([Fraction(time_s - times_s[0]) for time_s in times_s], len(shown))]
    assert shown[-1] == expected[-1]


def test_last_pictures_of_a_reordered_stream_are_not_lost(make) -> None:
    path = make.clip(".mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "3", "-c:a", "aac")
    assert numbers(make, path) == list(range(50))


@pytest.mark.parametrize("n_threads", [2, 4])
def test_threads_change_nothing(make, n_threads: int) -> None:
    path = make.clip(".mp4", "-g", "30", "-bf", "2", sound_s=4.0, chirps_s=(1.5, 2.5))
    facts = probe(str(path))
    one, many = (list(read_images(str(path), facts, n_threads=n)) for n in (1, n_threads))
    np.testing.assert_array_equal(np.stack(one), np.stack(many))


def test_threads_change_nothing_in_avi(make) -> None:
    path = make.clip(".avi", "-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le")
    assert numbers(make, path, n_threads=4) == numbers(make, path)


FORMATS = {
    "10 bits": (".mkv", "libx264", "yuv420p10le"),
    "4:4:4": (".mp4", "libx264", "yuv444p"),
    "grey": (".mkv", "libx264", "gray"),
    "full range": (".mp4", "libx264", "yuvj420p"),
    "vp9 with alpha": (".webm", "libvpx-vp9", "yuva420p"),
    "prores with alpha": (".mov", "prores_ks", "yuva444p10le"),
    "png with alpha": (".mov", "png", "rgba"),
    "16-bit rgb": (".avi", "ffv1", "rgb48le"),
}


@pytest.mark.parametrize(("suffix", "encoder", "pixels"), FORMATS.values(), ids=FORMATS.keys())
def test_pixel_formats(make, suffix: str, encoder: str, pixels: str) -> None:
    path = make.clip(suffix, "-c:v", encoder, "-pix_fmt", pixels, n_pictures=4, with_audio=False)
    images = list(read_images(str(path), probe(str(path))))
    assert [make.number_of(image) for image in images] == [0, 1, 2, 3]
    assert {(image.shape, image.dtype.name) for image in images} == {((48, 64, 3), "uint8")}


def test_red_is_red(make) -> None:
    path = make.clip(".mp4", "-vf", "drawbox=c=red:t=fill", n_pictures=2, with_audio=False)
    red, green, blue = next(read_images(str(path), probe(str(path)))).mean(axis=(0, 1))
    assert red > 240
    assert max(green, blue) < 15


SIZES = {
    "odd": ((321, 241), 720, (241, 321)),
    "odd, reduced": ((321, 241), 60, (60, 80)),
    "upright, reduced": ((48, 320), 24, (160, 24)),
    "at the limit": ((64, 48), 48, (48, 64)),
    "very wide": ((7680, 64), 32, (32, 3840)),
}


@pytest.mark.parametrize(("size", "limit", "expected"), SIZES.values(), ids=SIZES.keys())
def test_sizes(make, size: tuple[int, int], limit: int, expected: tuple[int, int]) -> None:
    path = make.clip(".mkv", "-c:v", "ffv1", width=size[0], height=size[1], n_pictures=3, with_audio=False)
    facts = probe(str(path))
    images = list(read_images(str(path), facts, max_short_side_px=limit))
    assert [make.number_of(image) for image in images] == [0, 1, 2]
    assert images[0].shape == (*expected, 3)
    assert image_scale(facts, limit) == pytest.approx(min(expected) / min(size))


@pytest.mark.slow
def test_8k_is_reduced(make) -> None:
    path = make.clip(".mp4", "-qp", "40", width=7680, height=4320, n_pictures=1, with_audio=False)
    image = next(read_images(str(path), probe(str(path)), max_short_side_px=720))
    assert image.shape == (720, 1280, 3)


def with_matrix(*matrix: int):
    """Puts a display matrix (rows of 3, without the last column) into the header of an MP4's first track."""

    def alter(data: bytearray) -> bytearray:
        at = data.index(b"tkhd") + 4 + 40
        a, b, c, d = (number << 16 for number in matrix)
        for i, number in enumerate((a, b, 0, c, d, 0, 0, 0, 1 << 30)):
            data[at + 4 * i : at + 4 * i + 4] = number.to_bytes(4, "big", signed=True)
        return data

    return alter


ROTATIONS = {90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), 270: (0, 1, -1, 0)}


@pytest.mark.parametrize("degrees", ROTATIONS)
def test_pictures_are_turned_as_ffmpeg_turns_them(make, degrees: int) -> None:
    path = make.altered(make.clip(".mp4"), with_matrix(*ROTATIONS[degrees]))
    facts = probe(str(path))
    assert facts.rotation_deg == degrees
    assert (facts.width_px, facts.height_px) == ((48, 64) if degrees % 180 else (64, 48))
    raw, _ = make.ffmpeg("-i", str(path), "-frames:v", "6", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    expected = np.frombuffer(raw, np.uint8).reshape(6, facts.height_px, facts.width_px, 3)
    images = np.stack(list(read_images(str(path), facts))[:6])
    assert np.abs(images.astype(int) - expected).max() <= 8


def test_pixels_that_are_not_square(make) -> None:
    path = make.clip(".mp4", "-vf", "setsar=16/11")
    facts = probe(str(path))
    assert (facts.width_px, facts.height_px) == (93, 48)
    images = list(read_images(str(path), facts))
    assert images[0].shape == (48, 93, 3)
    assert make.number_of(images[7]) == 7


def test_one_picture_is_one_image(make) -> None:
    assert numbers(make, make.clip(".mp4", n_pictures=1)) == [0]


def test_size_that_changes_within_the_file(make, tmp_path: Path) -> None:
    small = make.clip(".ts", "-bf", "0", n_pictures=10, with_audio=False)
    large = make.clip(".ts", "-bf", "0", "-output_ts_offset", "0.4", n_pictures=20, width=128, height=96, with_audio=False)
    path = tmp_path / "both.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    images = list(read_images(str(path), probe(str(path))))
    assert {image.shape for image in images} == {(48, 64, 3)}
    assert [make.number_of(image) for image in images] == [*range(10), *range(20)]


def test_repeated_images_are_one_array(make) -> None:
    images = list(read_images(str(path := make.clip(".mp4", fps=Fraction(5))), probe(str(path))))
    assert len(images) == 50
    assert len({id(image) for image in images}) == 10


def test_decoding_that_ends_early_gives_fewer_images(make) -> None:
    whole = make.clip(".mp4", "-movflags", "+faststart", "-g", "5", "-bf", "0")
    path = make.altered(whole, lambda data: data[: len(data) * 2 // 3])
    facts = probe(str(path))
    # The header still promises everything; what is read is what is there.
    shown = numbers(make, path)
    assert 10 < len(shown) < 50
    assert shown == list(range(len(shown)))
    assert facts.n_images >= len(shown)


def test_file_that_vanishes_between_probing_and_reading(make, tmp_path: Path) -> None:
    path = tmp_path / "gone.mp4"
    path.write_bytes(make.clip(".mp4").read_bytes())
    facts = probe(str(path))
    path.unlink()
    with pytest.raises(ClipError, match="No such file") as caught:
        next(read_images(str(path), facts))
    assert caught.value.failure is Failure.UNREADABLE
