"""Files as PyAV reads them back: a flash and a click lie where they were put, and nothing half done stays."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from syncqc.errors import UsageError
from syncqc.media import mux
from syncqc.media.mux import Encoding, MuxError, Pictures, SoundTrack, feed_ffmpeg, ffmpeg_binary, run_ffmpeg, write_clip

CLICK_S = 1
DURATION_S = 2


def flash(fps: Fraction, is_timed: bool = False) -> Pictures:
    """Dark pictures but the one that is shown at CLICK_S."""
    n = int(DURATION_S * fps)
    images = [np.full((64, 64, 3), 255 if k == int(CLICK_S * fps) else 0, np.uint8) for k in range(n)]
    return Pictures(images, 64, 64, None if is_timed else fps, [k / fps for k in range(n)] if is_timed else None)


def click(rate_hz: int, n_channels: int = 1) -> SoundTrack:
    samples = np.zeros((DURATION_S * rate_hz, n_channels))
    samples[CLICK_S * rate_hz - 2 : CLICK_S * rate_hz + 3] = np.array([0.3, 0.6, 0.9, 0.6, 0.3])[:, None]
    return SoundTrack(samples, rate_hz)


def read_back(path: Path) -> tuple[list[float], float, float]:
    """Times of all pictures, of the brightest one, and of the loudest sample, after the first picture."""
    with av.open(str(path)) as container:
        shown = [(float(f.pts * f.time_base), float(f.to_ndarray(format="gray").mean())) for f in container.decode(video=0)]
    loudest, click_s = 0.0, -1.0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            block = np.abs(frame.to_ndarray().astype(np.float64)).reshape(-1)[:: 1 if frame.format.is_planar else frame.layout.nb_channels]
            if block.max() > loudest:
                loudest, click_s = block.max(), float(frame.pts * frame.time_base) + int(block.argmax()) % frame.samples / frame.sample_rate
    zero_s = shown[0][0]
    return [t - zero_s for t, _ in shown], max(shown, key=lambda one: one[1])[0] - zero_s, click_s - zero_s


CASES = {
    "mp4 aac 16 kHz": (".mp4", Encoding(), 16_000, 1, Fraction(25)),
    "mp4 aac 8 kHz 30 fps": (".mp4", Encoding(), 8_000, 1, Fraction(30)),
    "mp4 aac 48 kHz stereo 29.97 fps": (".mp4", Encoding(), 48_000, 2, Fraction(30000, 1001)),
    "mkv h264 flac 50 fps": (".mkv", Encoding("h264", "flac"), 16_000, 1, Fraction(50)),
    "mkv vp9 mp3 23.976 fps": (".mkv", Encoding("vp9", "mp3"), 22_050, 1, Fraction(24000, 1001)),
    "avi mpeg4 mp3": (".avi", Encoding("mpeg4", "mp3"), 22_050, 1, Fraction(25)),
    "avi mpeg4 aac": (".avi", Encoding("mpeg4", "aac"), 16_000, 1, Fraction(25)),
    "avi mpeg4 pcm": (".avi", Encoding("mpeg4", "pcm"), 44_100, 2, Fraction(25)),
    "mov h264 pcm 60 fps": (".mov", Encoding("h264", "pcm"), 48_000, 1, Fraction(60)),
}


@pytest.mark.parametrize(("suffix", "encoding", "rate_hz", "n_channels", "fps"), CASES.values(), ids=CASES)
def test_a_click_and_a_flash_lie_where_they_were_put(
    suffix: str, encoding: Encoding, rate_hz: int, n_channels: int, fps: Fraction, tmp_path: Path
) -> None:
    path = tmp_path / f"clip{suffix}"
    write_clip(path, flash(fps), click(rate_hz, n_channels), encoding)
    times_s, flash_s, click_s = read_back(path)
    tick_s = 0.0011 if suffix == ".mkv" else 1e-5
    assert times_s == pytest.approx([k / float(fps) for k in range(int(DURATION_S * fps))], abs=tick_s)
    assert flash_s == pytest.approx(int(CLICK_S * fps) / float(fps), abs=tick_s)
    assert click_s == pytest.approx(CLICK_S, abs=max(0.001, tick_s))
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.sample_rate == rate_hz
        assert container.streams.audio[0].codec_context.channels == n_channels


@pytest.mark.parametrize("gap_s", [Fraction(1, 4), Fraction(-1, 4), Fraction(-13, 1000)], ids=str)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_start_gap_parts_sound_and_pictures_by_just_that(gap_s: Fraction, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip{suffix}"
    write_clip(path, flash(Fraction(25)), click(16_000), start_gap_s=gap_s)
    _, flash_s, click_s = read_back(path)
    assert flash_s == pytest.approx(CLICK_S, abs=0.0011)
    assert click_s - flash_s == pytest.approx(float(gap_s), abs=0.0015)


def test_pictures_keep_their_own_times(tmp_path: Path) -> None:
    times_s = [Fraction(ms, 1000) for ms in (0, 17, 60, 141, 150, 333)]
    images = [np.full((64, 64, 3), 40 * k, np.uint8) for k in range(len(times_s))]
    path = tmp_path / "clip.mp4"
    write_clip(path, Pictures(images, 64, 64, times_s=times_s))
    with av.open(str(path)) as container:
        assert [float(f.pts * f.time_base) for f in container.decode(video=0)] == pytest.approx([float(t) for t in times_s], abs=1e-4)
        assert not container.streams.audio


def test_the_inner_ffmpeg_serves_where_the_system_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mux.shutil, "which", lambda name: None)
    assert "imageio_ffmpeg" in ffmpeg_binary()
    path = tmp_path / "clip.mp4"
    write_clip(path, flash(Fraction(25)), click(16_000))
    assert read_back(path)[1:] == pytest.approx((CLICK_S, CLICK_S), abs=0.001)


def test_no_ffmpeg_at_all_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise RuntimeError

    monkeypatch.setattr(mux.shutil, "which", lambda name: None)
    monkeypatch.setattr(mux.imageio_ffmpeg, "get_ffmpeg_exe", none)
    with pytest.raises(MuxError, match="no ffmpeg: install it"):
        ffmpeg_binary()


def test_a_failure_carries_the_last_line_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"what was there before")
    # PCM of this kind has no place in WebM; ffmpeg says so.
    with pytest.raises(MuxError, match=r"ffmpeg stopped with code \d+: .+"):
        write_clip(tmp_path / "clip.webm", flash(Fraction(25)), click(16_000), Encoding("h264", "pcm"))
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]
    with pytest.raises(MuxError, match="No such file"):
        run_ffmpeg(["-i", str(tmp_path / "absent.mp4"), str(path)])
    assert path.read_bytes() == b"what was there before"


def test_a_name_that_looks_like_an_option_or_holds_spaces_is_only_a_name(tmp_path: Path) -> None:
    for name in ("a b; touch c.mp4", "-y.mp4", "100%d.mp4", "höf.mp4"):
        write_clip(tmp_path / name, flash(Fraction(25)))
        assert (tmp_path / name).is_file()
    assert len(list(tmp_path.iterdir())) == 4


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    images = [np.zeros((64, 64, 3), np.uint8), np.zeros((64, 66, 3), np.uint8)]
    with pytest.raises(ValueError, match=r"image\.shape = \(64, 66, 3\)"):
        write_clip(tmp_path / "clip.mp4", Pictures(images, 64, 64, Fraction(25)))
    assert list(tmp_path.iterdir()) == []


def test_avi_takes_only_what_it_can_time(tmp_path: Path) -> None:
    for pictures, encoding in (
        (flash(Fraction(25)), Encoding("h264", "mp3")),
        (flash(Fraction(25), is_timed=True), Encoding("mpeg4", "mp3")),
    ):
        with pytest.raises(UsageError, match="AVI holds no picture times"):
            write_clip(tmp_path / "clip.avi", pictures, click(16_000), encoding)


def test_ffmpeg_can_be_fed(tmp_path: Path) -> None:
    pieces = (bytes([k]) * 1000 for k in range(9))
    feed_ffmpeg(["-f", "u8", "-ar", "8000", "-i", "pipe:0", "-f", "u8", str(out := tmp_path / "out.raw")], pieces)
    assert out.read_bytes() == b"".join(bytes([k]) * 1000 for k in range(9))


def test_what_goes_wrong_while_feeding_is_told(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(10**6)
        raise ValueError("no more")

    raw = ["-f", "u8", "-ar", "8000", "-i", "pipe:0"]
    with pytest.raises(ValueError, match="no more"):
        feed_ffmpeg([*raw, "-f", "u8", str(tmp_path / "out.raw")], pieces())
    with pytest.raises(MuxError, match="ffmpeg stopped with code"):
        feed_ffmpeg([*raw, str(tmp_path / "no folder" / "out.wav")], (bytes(10**6) for _ in range(9)))
