from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from syncqc.errors import ClipError
from syncqc.media import preview as preview_module
from syncqc.media.mux import MuxError
from syncqc.media.preview import PLAYABLE, Preview, encoders, image_at, playable, preview

CHIRPS_S = (0.5, 1.4, 2.2)


def sound_of(content: bytes) -> np.ndarray:
    """Samples (n,) at 16 kHz by presentation time, sample 0 at time 0: read as a player reads, not by the reader of the clip's clock."""
    samples = np.zeros(16_000 * 10, np.float32)
    with av.open(BytesIO(content)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
        frames = list(container.decode(audio=0))
        assert frames[0].pts is not None and frames[0].time_base is not None
        first = round(float(frames[0].pts * frames[0].time_base) * 16_000)
        for frame in frames:
            frame.pts = None
        blocks = [block.to_ndarray()[0] for frame in (*frames, None) for block in resampler.resample(frame)]
    joined = np.concatenate(blocks)
    samples[first : first + len(joined)] = joined
    return samples[: first + len(joined)]


def packets_of(content: bytes) -> list[tuple[bytes, object, object]]:
    with av.open(BytesIO(content)) as container:
        return [(bytes(packet), packet.pts, packet.is_keyframe) for packet in container.demux(video=0) if packet.size]


def images_of(content: bytes) -> list[tuple[float, np.ndarray]]:
    with av.open(BytesIO(content)) as container:
        return [(float(frame.time or 0), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def with_encoder(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Stands in for an ffmpeg that has this encoder of pictures alone."""
    monkeypatch.setattr(preview_module, "encoders", lambda: frozenset({name, "libopus"}))


@pytest.mark.parametrize(
    "shift", [pytest.param(5, id="delayed"), pytest.param(-3, id="brought forward"), pytest.param(1, id="by one image")]
)
def test_the_other_sound_is_shifted_by_exactly_that_much(shift: int, make: Any) -> None:
    clip = make.clip(".mp4", sound_s=3.0, chirps_s=CHIRPS_S, rate_hz=44_100)
    made = preview(clip, None, 0.0, shift)
    assert made.shifted is not None
    heard, shifted = make.chirps_in(sound_of(made.as_it_is)), make.chirps_in(sound_of(made.shifted))
    assert heard == pytest.approx(CHIRPS_S, abs=0.001)
    assert np.subtract(shifted, heard) == pytest.approx([shift * 0.04] * 3, abs=0.0001)


def test_both_files_hold_the_same_coded_pictures(make: Any) -> None:
    made = preview(make.clip(".mp4", sound_s=2.0), None, 0.0, 4)
    assert made.shifted is not None
    assert packets_of(made.as_it_is) == packets_of(made.shifted)
    assert len(packets_of(made.as_it_is)) == made.n_images == 50


@pytest.mark.parametrize("fps", [25, 50])
def test_picture_k_is_the_image_on_show_then(fps: int, make: Any) -> None:
    made = preview(make.clip(".mp4", sound_s=2.0, fps=fps, chirps_s=(0.5, 1.5)), None, 0.0, None, 0.6, 1.4)
    images = images_of(made.as_it_is)
    assert (made.first_image, made.n_images) == (15, 20)
    assert [time_s for time_s, _ in images] == pytest.approx([k / 25 for k in range(20)], abs=1e-4)
    assert [make.number_of(image) for _, image in images] == [(15 + k) * fps // 25 for k in range(20)]


def test_a_stretch_has_the_sound_from_there_on_and_takes_what_is_before_it_for_the_delay(make: Any) -> None:
    clip = make.clip(".mp4", sound_s=3.0, chirps_s=CHIRPS_S)
    made = preview(clip, None, 0.0, 10, 1.6, 2.8)
    assert made.shifted is not None
    assert make.chirps_in(sound_of(made.as_it_is)) == pytest.approx([0.6], abs=0.001)
    assert make.chirps_in(sound_of(made.shifted)) == pytest.approx([0.2, 1.0], abs=0.001)


def test_a_sidecar_is_heard_from_its_start_on(make: Any) -> None:
    clip = make.clip(".mp4", sound_s=2.0, with_audio=False, n_pictures=50)
    sidecar = make.clip(".wav", sound_s=4.0, chirps_s=(1.5, 2.5), with_video=False)
    made = preview(clip, sidecar, 1.0, None)
    assert made.shifted is None
    assert make.chirps_in(sound_of(made.as_it_is)) == pytest.approx([0.5, 1.5], abs=0.001)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        pytest.param((1280, 720), (852, 480), id="720p"),
        pytest.param((320, 640), (240, 480), id="upright phone"),
        pytest.param((64, 48), (64, 48), id="never enlarged"),
    ],
)
def test_pictures_have_at_most_480_lines(size: tuple[int, int], shown: tuple[int, int], make: Any) -> None:
    made = preview(make.clip(".mp4", sound_s=0.4, width=size[0], height=size[1], chirps_s=(0.2,)), None, 0.0, None)
    assert (made.width_px, made.height_px) == shown
    assert images_of(made.as_it_is)[0][1].shape == (shown[1], shown[0], 3)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda make: make.clip(".mp4", sound_s=1.0, with_audio=False, n_pictures=25), id="no sound track"),
        pytest.param(lambda make: make.clip(".mkv", "-t", "3", sound_s=0.4, n_pictures=75, chirps_s=(0.2,)), id="sound that ends before"),
    ],
)
def test_a_clip_without_sound_there_has_pictures_and_says_why(damage: Callable[[Any], Path], make: Any) -> None:
    made = preview(damage(make), None, 0.0, 3, 0.48, 0.96)
    assert made.shifted is None
    assert made.why_no_sound in ("the file has no sound that can be decoded", "there is no sound where the picture is")
    assert len(images_of(made.as_it_is)) == 12


@pytest.mark.parametrize(
    ("suffix", "coding", "source", "numbers"),
    [
        pytest.param(".mp4", ("-c:v", "libx264", "-pix_fmt", "yuv444p"), {"width": 65, "height": 49}, range(25), id="odd sides"),
        pytest.param(".mp4", ("-c:v", "libx264", "-pix_fmt", "yuv420p10le"), {}, range(25), id="10 bit"),
        pytest.param(".mkv", ("-c:v", "ffv1", "-pix_fmt", "yuva420p", "-c:a", "pcm_s16le"), {}, range(25), id="with alpha"),
        pytest.param(".mkv", ("-c:v", "ffv1", "-pix_fmt", "gray16le", "-c:a", "flac"), {}, range(25), id="16 bit grey"),
        pytest.param(".mp4", ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-flags", "+ildct+ilme"), {}, range(25), id="interlaced"),
        pytest.param(".mkv", ("-c:v", "ffv1", "-c:a", "flac"), {"n_pictures": 15}, range(15), id="sound longer than the pictures"),
        pytest.param(".mkv", ("-c:v", "ffv1", "-c:a", "flac"), {"n_pictures": 60}, range(60), id="sound shorter than the pictures"),
        pytest.param(".mkv", ("-c:v", "ffv1", "-c:a", "flac"), {"n_channels": 6, "rate_hz": 48_000}, range(25), id="six channels"),
    ],
)
def test_every_kind_of_file_can_be_played(suffix: str, coding: tuple[str, ...], source: dict[str, int], numbers: range, make: Any) -> None:
    made = preview(make.clip(suffix, *coding, **{"sound_s": 1.0, "chirps_s": (0.4,)} | source), None, 0.0, 2)
    assert made.shifted is not None
    assert (made.width_px, made.height_px, made.n_images) == (64, 48, len(numbers))
    assert [make.number_of(image) for _, image in images_of(made.shifted)] == list(numbers)
    assert make.chirps_in(sound_of(made.shifted)) == pytest.approx([0.48], abs=0.001)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MuxError("ffmpeg stopped with code 1")], ids=["Ctrl-C", "ffmpeg fails"])
def test_nothing_is_left_behind_where_it_ends_early(error: Any, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(arguments: Sequence[str], _: object) -> None:
        Path(arguments[-1].removeprefix("file:")).write_bytes(b"half of it")
        assert len(list(tmp_path.rglob("*.mp4"))) == 1
        raise error

    clip = make.clip(".mp4", sound_s=1.0, chirps_s=(0.4,))
    encoders()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(preview_module, "feed_ffmpeg", stopped)
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        preview(clip, None, 0.0, 2)
    assert list(tmp_path.iterdir()) == []


def test_what_ffmpeg_refuses_is_said_in_its_words(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = replace(PLAYABLE[0], arguments=("-preset", "instantaneous"))
    monkeypatch.setattr(preview_module, "playable", lambda _: refused)
    with pytest.raises(MuxError, match="ffmpeg stopped with code"):
        preview(make.clip(".mp4", sound_s=1.0, chirps_s=(0.4,)), None, 0.0, None)


def test_a_stretch_behind_the_end_is_refused(make: Any) -> None:
    with pytest.raises(ClipError) as refusal:
        preview(make.clip(".mp4", sound_s=1.0, chirps_s=(0.5,)), None, 0.0, None, 7.0)
    assert refusal.value.detail == "the pictures last 1.00 s: there is none from 7 s on"


@pytest.mark.parametrize(
    ("known", "encoder"),
    [
        pytest.param({"libx264", "libvpx-vp9", "libopus"}, "libx264", id="H.264 first"),
        pytest.param({"libopenh264", "mpeg4"}, "libopenh264", id="Cisco's"),
        pytest.param({"libvpx-vp9", "libvpx", "libopus"}, "libvpx-vp9", id="VP9 before VP8"),
        pytest.param({"libvpx", "libopus"}, "libvpx", id="VP8"),
    ],
)
def test_the_first_encoder_is_taken_that_there_is(known: set[str], encoder: str) -> None:
    assert playable(frozenset(known)).encoder == encoder


@pytest.mark.parametrize("known", [pytest.param({"mpeg4", "aac"}, id="MPEG-4 Part 2"), pytest.param({"libvpx"}, id="VP8 without Opus")])
def test_an_ffmpeg_that_writes_nothing_for_browsers_is_told_apart(known: set[str]) -> None:
    with pytest.raises(MuxError, match="this ffmpeg writes no video that browsers play; it would need one of libx264, libopenh264"):
        playable(frozenset(known))


def test_this_ffmpeg_lists_its_encoders() -> None:
    assert {"aac", "mpeg4"} <= encoders()


@pytest.mark.parametrize("name", [one.encoder for one in PLAYABLE if one.suffix == ".webm"])
def test_webm_holds_the_same(name: str, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if not {name, "libopus"} <= encoders():
        pytest.skip(f"this ffmpeg has no {name} with libopus")
    with_encoder(monkeypatch, name)
    made: Preview = preview(make.clip(".mp4", sound_s=2.0), None, 0.0, 5)
    assert made.media_type == "video/webm"
    assert made.shifted is not None
    assert packets_of(made.as_it_is) == packets_of(made.shifted)
    heard, shifted = make.chirps_in(sound_of(made.as_it_is)), make.chirps_in(sound_of(made.shifted))
    assert heard == pytest.approx([0.5, 1.5], abs=0.008)  # Opus in Matroska: ffmpeg 5 writes it 6.5 ms early
    assert np.subtract(shifted, heard) == pytest.approx([0.2, 0.2], abs=0.0002)


def test_an_image_by_its_number(make: Any) -> None:
    image, scale = image_at(make.clip(".mp4", sound_s=2.0, width=1280, height=720), 31)
    assert (make.number_of(image), image.shape) == (31, (480, 853, 3))
    assert scale == pytest.approx(480 / 720)
