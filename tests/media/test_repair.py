from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from syncqc.errors import ClipError, Failure, UsageError
from syncqc.media import repair
from syncqc.media.mux import MuxError, run_ffmpeg
from syncqc.media.repair import (
    Repair,
    check_out_suffix,
    check_sidecar,
    check_written,
    given,
    pad_s,
    refuse_source,
    sidecar_codec,
    sound_notes,
)
from syncqc.media.resync_coding import Coding
from syncqc.media.resync_sound import Placed


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"mode": "bak"}, "unknown mode 'bak'; did you mean 'bake'"),
        ({"audio_rate_hz": 0}, "audio_rate_hz must be above 0, not 0"),
        ({"audio_bit_rate_kbps": -1}, "audio_bit_rate_kbps must be above 0, not -1"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Repair(3, **settings)  # type: ignore[arg-type]


def test_a_shift_is_exact() -> None:
    assert (Repair(-3).shift_s, Repair(12).shift_s) == (Fraction(-3, 25), Fraction(12, 25))


REFUSED = {
    "pcm in mp4": (
        ".mp4",
        Repair(1, audio_codec="pcm"),
        False,
        r"\.mp4 cannot hold pcm, only aac, flac, opus; pcm goes into \.mov, \.mkv, \.avi",
    ),
    "aac in webm": (".webm", Repair(1), False, r"\.webm cannot hold aac, only opus; aac goes into \.mp4, \.m4v, \.mov, \.mkv"),
    "an unknown suffix": (".ts", Repair(1), False, r"no video is written into \.ts; known: \.mp4"),
    "no suffix": ("", Repair(1), False, "no video is written into a file without a suffix"),
    "an unknown codec": (".mp4", Repair(1, audio_codec="acc"), False, "unknown audio codec 'acc'; did you mean 'aac'"),  # type: ignore[arg-type]
    "a rate that AAC lacks": (".mp4", Repair(1, audio_rate_hz=17_000), False, "aac knows no rate of 17000 Hz; known: 8000"),
    "a cut in webm": (
        ".webm",
        Repair(1, audio_codec="opus"),
        True,
        r"H.264, which goes into \.mp4, \.m4v, \.mov, \.mkv and not into \.webm",
    ),
    "remux of an unknown suffix": (".ts", Repair(1, "remux"), False, r"no video is written into \.ts"),
}


@pytest.mark.parametrize(("suffix", "asked", "is_cut", "says"), REFUSED.values(), ids=REFUSED)
def test_a_container_that_cannot_hold_it_is_refused(suffix: str, asked: Repair, is_cut: bool, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        check_out_suffix(suffix, asked, is_cut=is_cut)


@pytest.mark.parametrize(
    ("suffix", "asked"),
    [(".MP4", Repair(1)), (".avi", Repair(1, audio_codec="pcm")), (".webm", Repair(1, "remux"))],
    ids=["case", "avi", "remux"],
)
def test_a_container_that_can_is_not(suffix: str, asked: Repair) -> None:
    check_out_suffix(suffix, asked)


def test_a_source_is_known_by_any_name(tmp_path: Path) -> None:
    (tmp_path / "source.mp4").write_text("x")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "source.mp4")
    with pytest.raises(UsageError, match="is the source"):
        refuse_source(tmp_path / "link.mp4", None, tmp_path / "source.mp4")
    refuse_source(tmp_path / "other.mp4", tmp_path / "source.mp4")


@pytest.mark.parametrize(
    ("suffix", "asked", "codec"),
    [(".m4a", "aac", "aac"), (".m4a", "opus", "aac"), (".WAV", "aac", "pcm"), (".flac", "opus", "flac"), (".mka", "opus", "opus")],
)
def test_a_sidecar_keeps_its_suffix(suffix: str, asked: str, codec: str) -> None:
    assert sidecar_codec(suffix, Repair(1, audio_codec=asked)) == codec  # type: ignore[arg-type]


def test_a_sidecar_of_unknown_suffix_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no repaired sound is written into \.mp3; aac goes into \.m4a, \.mp4, \.aac"):
        sidecar_codec(".mp3", Repair(1))


def placed(head: int, tail: int, within: int = 0) -> Placed:
    return Placed(Path("x"), Fraction(0), 48_000, 16_000, 1, head, tail, within)


AAC, PCM = Coding("aac", 16_000, 1, 64), Coding("pcm", 16_000, 1, None)
SAID = {
    "delayed": (Repair(5), placed(3200, 0), AAC, 0.2, []),
    "delayed, and no sound at the end": (Repair(5), placed(3200, 1600), AAC, 0.2, ["silence of 100 ms at the end"]),
    "delayed by less than the priming": (
        Repair(1),
        placed(640, 0),
        AAC,
        0.04,
        ["the first 64 ms are silent: there lies the priming of AAC"],
    ),
    "brought forward": (Repair(-5), placed(0, 3200), PCM, -0.2, []),
    "brought forward, and sound that began late": (Repair(-5), placed(800, 3200), PCM, -0.2, ["silence of 50 ms at the beginning"]),
    "filled by sound that was there": (Repair(-5), placed(0, 0), PCM, 0.0, []),
    "with a gap": (Repair(-5), placed(0, 3200, 8000), PCM, -0.2, ["gaps in the sound became silence: 500 ms"]),
}


@pytest.mark.parametrize(("asked", "sound", "coding", "pad", "notes"), SAID.values(), ids=SAID)
def test_silence_is_told_of(asked: Repair, sound: Placed, coding: Coding, pad: float, notes: list[str]) -> None:
    assert pad_s(sound, asked) == pytest.approx(pad)
    assert sound_notes(sound, asked, coding) == notes


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    made = ["-f", "lavfi", "-i", "testsrc2=d=1:s=64x48:r=25", "-f", "lavfi", "-i", "sine=d=1:sample_rate=16000"]
    run_ffmpeg([*made, "-c:v", "libx264", "-threads", "1", "-c:a", "flac", "-strict", "experimental", str(path)])
    return path


def test_what_was_written_is_looked_at(clip: Path, tmp_path: Path) -> None:
    check_written(clip, Fraction(1), Fraction(1))
    check_sidecar(clip, clip, Fraction(0), Fraction(1))
    with pytest.raises(MuxError, match=r"the pictures last 1\.000 s instead of 1\.100 s"):
        check_written(clip, Fraction(11, 10), None)
    with pytest.raises(MuxError, match=r"the sound lasts 1\.000 s instead of 0\.900 s"):
        check_written(clip, Fraction(1), Fraction(9, 10))
    with pytest.raises(MuxError, match="the sound begins 0 ms after the first image, not -100 ms"):
        check_sidecar(clip, clip, Fraction(1, 10), Fraction(1))
    run_ffmpeg(["-i", str(clip), "-an", "-c", "copy", str(mute := tmp_path / "mute.mp4")])
    with pytest.raises(MuxError, match="has no sound"):
        check_written(mute, Fraction(1), None)
    (broken := tmp_path / "broken.mp4").write_bytes(b"broken")
    with pytest.raises(MuxError, match="cannot be read"):
        check_written(broken, Fraction(1), None)


def test_a_clip_is_looked_at_before(clip: Path, tmp_path: Path) -> None:
    found = given(clip, clip, 0.25)
    assert (found.zero_s, found.own.rate_hz, found.own.n_channels) == (Fraction(1, 4), 16_000, 1)
    moved = found.placed(Repair(5), PCM, Fraction(0), Fraction(1))
    assert (moved.first_s, moved.n_samples) == (Fraction(1, 20), 16_000)
    run_ffmpeg(["-i", str(clip), "-an", "-c", "copy", str(mute := tmp_path / "mute.mp4")])
    with pytest.raises(ClipError) as caught:
        given(mute, None, 0)
    assert caught.value.failure is Failure.NO_AUDIO


def test_tracks_that_are_left_out_are_named(clip: Path, tmp_path: Path) -> None:
    (words := tmp_path / "words.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nword\n")
    run_ffmpeg(
        ["-i", str(clip), "-i", str(words), "-map", "0", "-map", "1", "-c", "copy", "-c:s", "srt", str(more := tmp_path / "more.mkv")]
    )
    assert repair.track_notes(more) == ["left out: subtitle"]
    assert repair.track_notes(clip) == []
