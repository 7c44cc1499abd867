from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from syncqc.media.codec import SoundCoding
from syncqc.media.mux import ffmpeg_binary
from syncqc.media.probe import Facts, probe

N_PICTURES = 75


@dataclass(frozen=True)
class Encode:
    """One way to write the same 75 pictures, and what is known of it from how it is made."""

    suffix: str
    output: tuple[str, ...]
    codec: str
    gap: float | None
    """None: not known beforehand."""
    is_regular: bool | None
    is_open: bool | None
    has_b: bool | None
    encoder: str | None = "Lavc"
    tag: str | None = None


def x264(settings: str, *output: str) -> tuple[str, ...]:
    return ("-c:v", "libx264", "-preset", "veryfast", "-x264-params", "scenecut=0:threads=1:" + settings, *output)


def x265(settings: str) -> tuple[str, ...]:
    return ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", f"log-level=none:scenecut=0:pools=1:bframes=2:{settings}")


NO_CUTS = ("-sc_threshold", "1000000000")
ENCODES = {
    "mpeg1": Encode(".mpg", ("-c:v", "mpeg1video", "-bf", "2", "-g", "12", *NO_CUTS), "mpeg1video", 12, True, True, True, None),
    "mpeg2, closed": Encode(
        ".ts", ("-c:v", "mpeg2video", "-bf", "2", "-g", "15", "-flags", "+cgop", *NO_CUTS), "mpeg2video", None, True, False, True, None
    ),
    "mpeg4, as ffmpeg does": Encode(".avi", ("-c:v", "mpeg4", "-vtag", "XVID", *NO_CUTS), "mpeg4", 12, True, False, False, tag="XVID"),
    "mpeg4 with B": Encode(".mp4", ("-c:v", "mpeg4", "-bf", "2", "-g", "12", *NO_CUTS), "mpeg4", 12, True, True, True, tag="mp4v"),
    "h263": Encode(".avi", ("-c:v", "h263", "-vf", "scale=176:144", *NO_CUTS), "h263", 12, True, False, False, None, "H263"),
    "mjpeg": Encode(".avi", ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p"), "mjpeg", 1, False, False, False, tag="MJPG"),
    "prores": Encode(".mov", ("-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"), "prores", 1, False, False, False, tag="apch"),
    "h264 without B": Encode(".ts", x264("bframes=0:keyint=1000"), "h264", None, None, None, False, "x264 - core", None),
    "h264 with B": Encode(".mp4", x264("keyint=10:open-gop=0"), "h264", 10, True, False, True, "x264 - core", "avc1"),
    "h264, open": Encode(
        ".mkv", x264("keyint=12:min-keyint=12:open-gop=1:b-adapt=0:bframes=2"), "h264", 12, True, True, True, "x264 - core", None
    ),
    "h264 in AVI": Encode(".avi", x264("keyint=10:bframes=2"), "h264", 10, True, False, True, "x264 - core", "H264"),
    "h264 in AVI, open": Encode(
        ".avi", x264("keyint=12:min-keyint=12:open-gop=1:b-adapt=0:bframes=2"), "h264", None, True, None, True, "x264 - core", "H264"
    ),
    "h264, forced key frames": Encode(
        ".mp4", x264("keyint=1000", "-force_key_frames", "0.4,0.6,1.8"), "h264", 15, False, False, True, "x264 - core", "avc1"
    ),
    "hevc, open": Encode(".mp4", x265("keyint=12:min-keyint=12:b-adapt=0:open-gop=1"), "hevc", 12, True, True, True, "x265 (build", "hev1"),
    "hevc, closed": Encode(".ts", x265("keyint=12:min-keyint=12:open-gop=0"), "hevc", 12, True, False, True, "x265 (build", "HEVC"),
    "vp9": Encode(
        ".webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "30"), "vp9", 30, True, False, None, "Lavc", None
    ),
    "av1": Encode(
        ".mkv", ("-c:v", "libsvtav1", "-preset", "12", "-g", "30", "-svtav1-params", "lp=1"), "av1", 30, True, False, None, "Lavc", None
    ),
}
parametrized = pytest.mark.parametrize("name", ENCODES)


@cache
def encoders() -> str:
    return subprocess.run([ffmpeg_binary(), "-hide_banner", "-encoders"], capture_output=True, text=True, check=True).stdout


def made(make, name: str) -> Path:
    encode = ENCODES[name]
    encoder = encode.output[1]
    if f" {encoder} " not in encoders():
        pytest.skip(f"this ffmpeg has no encoder {encoder}")
    pixels = () if "-pix_fmt" in encode.output else ("-pix_fmt", "yuv420p")
    out: Path = make.clip(
        encode.suffix, *encode.output, *pixels, "-c:a", "copy", with_audio=False, n_pictures=N_PICTURES, width=96, height=80
    )
    return out


def facts_of(make, name: str) -> Facts:
    return probe(str(made(make, name)))


@parametrized
def test_what_the_packets_say(make, name: str) -> None:
    known, row = ENCODES[name], facts_of(make, name).row()
    assert row["video_codec"] == known.codec
    assert row["gop_is_open"] == known.is_open
    assert row["has_b_frames"] == known.has_b
    if known.gap is not None:
        assert row["key_frame_gap_frames"] == known.gap
    assert row["gop_is_regular"] == known.is_regular
    assert row["video_tag"] == known.tag
    assert row["video_encoder"] is None if known.encoder is None else str(row["video_encoder"]).startswith(known.encoder)


@parametrized
def test_picture_types_are_those_that_the_decoder_finds(make, name: str) -> None:
    if shutil.which("ffprobe") is None:
        pytest.skip("there is no ffprobe here to compare with")
    path = made(make, name)
    row = probe(str(path)).row()
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pict_type", "-of", "csv=p=0", str(path)]
    found = Counter(subprocess.run(command, capture_output=True, text=True, check=True).stdout.replace(",", " ").split())
    if row["frame_types_detail"] is not None:
        assert row["frame_types_detail"] == f"{row['video_codec']} does not have pictures of the types I, P and B"
        return
    shares = {kind: row[f"{kind.lower()}_frame_share"] for kind in "IPB"}
    assert shares == pytest.approx({kind: found[kind] / found.total() for kind in "IPB"}, abs=1e-6)


def test_spread_of_key_frames_and_bit_rate(make) -> None:
    path = made(make, "h264, forced key frames")
    row = probe(str(path)).row()
    # Key frames at pictures 0, 10, 15 and 45: distances 10, 5 and 30.
    assert row["key_frame_spread_frames"] == pytest.approx(10.801, abs=1e-3)
    whole_kbps = 8 * path.stat().st_size / (N_PICTURES / 25) / 1000
    assert row["video_bit_rate_kbps"] == pytest.approx(whole_kbps, rel=0.5)
    assert row["video_bit_rate_kbps"] < whole_kbps


def test_profiles(make) -> None:
    row = probe(str(make.clip(".mp4", rate_hz=44_100))).row()
    assert (row["video_profile"], row["audio_profile"]) == ("Constrained Baseline", "LC")


@pytest.mark.parametrize(
    ("suffix", "output", "rate_hz", "codec", "priming", "block_start_ms"),
    [
        (".mp4", ("-c:a", "aac"), 44_100, "aac", 1024, 0.0),
        (".mkv", ("-c:a", "aac"), 16_000, "aac", 0, -64.0),
        (".mp4", ("-c:a", "aac", "-b:a", "96k"), 22_050, "aac", 1024, 0.0),
        (".mkv", ("-c:a", "pcm_s16le"), 16_000, "pcm_s16le", 0, None),
        (".mkv", ("-c:a", "libopus"), 48_000, "opus", 312, None),
        (".mkv", ("-c:a", "flac"), 16_000, "flac", 0, None),
    ],
    ids=["aac in mp4", "aac in mkv, which does not say what is priming", "aac at 22 kHz", "pcm", "opus", "flac"],
)
def test_sound(make, suffix: str, output: tuple[str, ...], rate_hz: int, codec: str, priming: int, block_start_ms: float | None) -> None:
    row = probe(str(make.clip(suffix, *output, rate_hz=rate_hz))).row()
    assert row["audio_codec"] == codec
    # Matroska counts in milliseconds.
    assert row["audio_priming_samples"] == pytest.approx(priming, abs=rate_hz / 1000 if suffix == ".mkv" else 0)
    assert row["audio_block_start_ms"] == block_start_ms
    assert isinstance(row["audio_bit_rate_kbps"], float)


def test_bit_rate_of_sound_without_coding(make) -> None:
    row = probe(str(make.clip(".mkv", "-c:a", "pcm_s16le", rate_hz=16_000, sound_s=4.0, chirps_s=(1.0,)))).row()
    assert row["audio_bit_rate_kbps"] == pytest.approx(256.0, rel=1e-3)


@pytest.mark.parametrize(
    ("priming", "since_s"),
    [(1024, 0), (2112, Fraction(64, 44_100)), (2048 + 20, 0)],
    ids=["one block", "two blocks and 64", "two blocks by a clock of milliseconds"],
)
def test_blocks_begin_where_the_priming_leaves_them(priming: int, since_s: Fraction) -> None:
    coding = SoundCoding("aac", "LC", 44_100, first_s=Fraction(-priming, 44_100))
    assert coding.since_block_s(Fraction(0)) == since_s


def test_a_profile_with_other_blocks_is_not_looked_for() -> None:
    assert SoundCoding("aac", "HE-AAC", 44_100, first_s=Fraction(0)).since_block_s(Fraction(0)) is None
