from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from syncqc.errors import ClipError
from syncqc.media.disturb import ClipFile, PictureChange, clip_file, delay_samples, with_coded_sound, with_pictures, with_samples
from syncqc.media.mux import MuxError
from syncqc.media.video import read_images

RATE = 16_000
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-crf", "5")


def packets(path: str | Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def shown(path: str | Path, make: Any) -> list[tuple[Fraction, int]]:
    """When each picture of a file appears, after the first one, and its number."""
    with av.open(str(path)) as container:
        frames = [(frame.pts * frame.time_base, make.number_of(frame.to_ndarray(format="rgb24"))) for frame in container.decode(video=0)]
    return [(time_s - frames[0][0], number) for time_s, number in frames]


def noise(n: int) -> np.ndarray:
    return (0.2 * np.random.default_rng(1).standard_normal(n)).astype(np.float32)


@pytest.fixture
def mp4(make: Any) -> ClipFile:
    return clip_file(str(make.clip(".mp4", *H264, "-c:a", "aac")))


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001)], ids=["25", "29.97"])
@pytest.mark.parametrize("first_sample", [-3200, 0, 4800], ids=["before the pictures", "with them", "after them"])
def test_new_sound_lies_where_it_was_put_and_pictures_stay_packet_by_packet(
    make: Any, tmp_path: Path, fps: Fraction, first_sample: int
) -> None:
    clip = clip_file(str(make.clip(".mp4", *H264, "-c:a", "aac", fps=fps)))
    samples = noise(RATE)
    copy = with_samples(clip, tmp_path / "copy.mkv", samples, first_sample)
    heard, is_present = copy.sound(first_sample - 160, first_sample + RATE + 160)
    assert np.flatnonzero(is_present)[[0, -1]] == pytest.approx([160, RATE + 159], abs=8)
    assert abs(delay_samples(heard[160 : 160 + RATE], samples)) <= (0 if fps == 25 else 8)
    assert heard[is_present] == pytest.approx(samples, abs=1e-7), "nothing is lost"
    assert packets(copy.path, "video") == packets(clip.path, "video")
    assert abs(copy.facts.n_images - clip.facts.n_images) <= 1


@pytest.mark.parametrize("encoder", [("libmp3lame", "-b:a", "32k"), ("aac", "-b:a", "32k")], ids=["mp3", "aac"])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_coded_sound_is_not_delayed(make: Any, tmp_path: Path, encoder: tuple[str, ...], n_channels: int) -> None:
    clip = clip_file(str(make.clip(".mp4", *H264, "-c:a", "aac", rate_hz=44_100, n_channels=n_channels)))
    copy = with_coded_sound(clip, tmp_path / "copy.mkv", encoder)
    assert copy.facts.audio_codec == ("mp3" if encoder[0] == "libmp3lame" else "aac")
    assert copy.facts.source_audio_channels == 1
    assert make.chirps_in(copy.sound(0, 2 * RATE)[0]) == pytest.approx([0.5, 1.5], abs=0.001)
    assert packets(copy.path, "video") == packets(clip.path, "video")


@pytest.mark.parametrize("fps", [15, 20, 24, 30, 50, 60])
def test_another_rate_shows_what_was_shown_within_half_a_picture(make: Any, mp4: ClipFile, tmp_path: Path, fps: int) -> None:
    copy, delay = with_pictures(mp4, tmp_path / "copy.mkv", PictureChange(f"fps={fps}", fps=fps))
    pictures = shown(copy.path, make)
    assert len(pictures) == pytest.approx(2 * fps, abs=1)
    assert [float(time_s) for time_s, _ in pictures] == pytest.approx([i / fps for i in range(len(pictures))], abs=0.001)
    early_s = [number / 25 - float(time_s) for time_s, number in pictures]
    assert max(early_s) <= 0.5 / fps + 0.001, "no picture is shown earlier than that"
    assert min(early_s) >= -0.04 - 0.5 / fps, "and none later than it stayed"
    assert (delay, packets(copy.path, "audio")) == (0, packets(mp4.path, "audio"))


def test_the_images_read_from_a_faster_copy_are_those_of_the_clip(make: Any, mp4: ClipFile, tmp_path: Path) -> None:
    copy, _ = with_pictures(mp4, tmp_path / "copy.mkv", PictureChange("fps=50", fps=50))
    numbers = [make.number_of(image) for image in read_images(copy.path, copy.facts)]
    assert numbers == list(range(50))


def test_a_frozen_picture_stays_and_the_others_keep_their_times(make: Any, mp4: ClipFile, tmp_path: Path) -> None:
    copy, _ = with_pictures(mp4, tmp_path / "copy.mkv", PictureChange("select='not(between(mod(n,25),1,5))'", drops_pictures=True))
    numbers = [make.number_of(image) for image in read_images(copy.path, copy.facts)]
    assert numbers == [i - i % 25 if i % 25 <= 5 else i for i in range(50)]


def brightness(path: str, clip: ClipFile) -> float:
    return float(np.mean([image.mean() for image in read_images(path, clip.facts)]))


def test_a_filter_does_what_it_says_and_nothing_to_the_times(make: Any, mp4: ClipFile, tmp_path: Path) -> None:
    copy, delay = with_pictures(mp4, tmp_path / "copy.mkv", PictureChange("colorlevels=romax=0.3:gomax=0.3:bomax=0.3"))
    assert brightness(copy.path, copy) / brightness(mp4.path, mp4) == pytest.approx(0.3, abs=0.02)
    with av.open(mp4.path) as before, av.open(copy.path) as after:
        times_s = [[float(frame.pts * frame.time_base) for frame in container.decode(video=0)] for container in (before, after)]
    assert np.diff(times_s[1]) == pytest.approx(np.diff(times_s[0]), abs=0.0011)
    assert delay == 0


def test_a_smaller_copy_has_the_size_asked_for(mp4: ClipFile, tmp_path: Path) -> None:
    copy, _ = with_pictures(mp4, tmp_path / "copy.mkv", PictureChange("scale=32:24:flags=area"))
    assert (copy.facts.width_px, copy.facts.height_px, copy.facts.n_images) == (32, 24, 50)


def test_another_codec_is_used(make: Any, mp4: ClipFile, tmp_path: Path) -> None:
    copy, _ = with_pictures(mp4, tmp_path / "copy.mkv", PictureChange(encoder=("mjpeg", "-q:v", "20", "-pix_fmt", "yuvj420p")))
    assert copy.facts.video_codec == "mjpeg"
    assert [number for _, number in shown(copy.path, make)] == list(range(50))


def test_sound_beside_the_video_is_taken_along(make: Any, tmp_path: Path) -> None:
    pictures = make.clip(".mp4", *H264, with_audio=False, n_pictures=50)
    sidecar = make.clip(".wav", with_video=False)
    clip = clip_file(str(pictures), str(sidecar))
    recoded, delay = with_pictures(clip, tmp_path / "pictures.mkv", PictureChange())
    assert (delay, make.chirps_in(recoded.sound(0, 2 * RATE)[0])) == (0, pytest.approx([0.5, 1.5], abs=0.001))
    coded = with_coded_sound(clip, tmp_path / "sound.mkv", ("aac", "-b:a", "32k"))
    assert make.chirps_in(coded.sound(0, 2 * RATE)[0]) == pytest.approx([0.5, 1.5], abs=0.001)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (PictureChange("trim=end=1"), "the copy lasts 25 images instead of 50"),
        (PictureChange("fps=10"), "10.00 pictures a second instead of 25.00"),
        (PictureChange("nonsense"), "ffmpeg stopped with code"),
    ],
    ids=["shorter", "another rate", "no such filter"],
)
def test_a_copy_that_is_not_what_was_asked_for_is_refused(mp4: ClipFile, tmp_path: Path, change: PictureChange, says: str) -> None:
    with pytest.raises(MuxError, match=says):
        with_pictures(mp4, tmp_path / "copy.mkv", change)


def test_sound_that_comes_late_is_refused(mp4: ClipFile, tmp_path: Path) -> None:
    with pytest.raises(MuxError, match=r"comes \+100\.\d ms late"):
        with_coded_sound(mp4, tmp_path / "copy.mkv", ("flac", "-af", "adelay=100"))


def test_a_copy_without_sound_is_refused(make: Any, tmp_path: Path) -> None:
    silent = clip_file(str(make.clip(".mp4", *H264, with_audio=False, n_pictures=50)))
    with pytest.raises(MuxError, match="ffmpeg stopped"):
        with_coded_sound(silent, tmp_path / "copy.mkv", ("aac",))


def test_what_cannot_be_read_has_no_copies(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ClipError, match="unreadable"):
        clip_file(str(tmp_path / "text.mp4"))


@pytest.mark.parametrize("delay", [-700, -1, 0, 1, 640])
def test_a_delay_is_found_to_the_sample(delay: int) -> None:
    samples = noise(RATE)
    assert delay_samples(np.roll(samples, delay), samples) == delay


def test_the_clip_is_left_alone(mp4: ClipFile, tmp_path: Path) -> None:
    before = Path(mp4.path).read_bytes()
    with_samples(mp4, tmp_path / "a.mkv", noise(RATE), 0)
    with_pictures(mp4, tmp_path / "b.mkv", PictureChange())
    assert Path(mp4.path).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "b.mkv"], "nothing else is left behind"
