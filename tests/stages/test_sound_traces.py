from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from syncqc.errors import Failure
from syncqc.manifest.row import Clip, Row, complete
from syncqc.media.mux import run_ffmpeg
from syncqc.stages.part import Part, Sound
from syncqc.stages.read import ReadClip
from syncqc.stages.sound_traces import SoundTraces

N_IMAGES = 125
LEAD = 3200


def noise(n: int, seed: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def part_of(samples: np.ndarray, is_present: np.ndarray | None = None, **row: object) -> Part:
    """A part of these samples, with 0.2 s of loud noise before and after, which is none of its business."""
    part = Part(Clip("a", "a.mp4"), 0, 1, 0, len(samples) // 640, row=dict(row))
    around = np.concatenate([np.ones(LEAD, np.float32), samples, np.ones(LEAD, np.float32)])
    here = np.ones(len(samples), np.bool_) if is_present is None else is_present
    part.sound = Sound(around, -LEAD, np.concatenate([np.ones(LEAD, np.bool_), here, np.ones(LEAD, np.bool_)]))
    return part


def row_of(part: Part) -> Row:
    (same,) = SoundTraces()([part])
    assert same is part
    return complete(part.row)


def test_only_the_parts_own_sound_is_looked_at() -> None:
    samples = noise(N_IMAGES * 640)
    samples[:640] = 0.0
    row = row_of(part_of(samples, audio_codec="pcm_s16le", source_audio_rate_hz=16_000))
    assert row["clipped_ratio"] == 0.0
    assert row["digital_silence_ratio"] == pytest.approx(1 / N_IMAGES)
    assert (row["audio_leak_risk"], row["leak_audio"], row["leak_audio_reason"], row["audio_block_trace"]) == ("none", False, None, None)


def test_a_stretch_without_sound_is_left_out() -> None:
    samples, is_present = noise(N_IMAGES * 640), np.ones(N_IMAGES * 640, np.bool_)
    samples[-16_000:], is_present[-16_000:] = 0.0, False
    row = row_of(part_of(samples, is_present, audio_codec="aac", source_audio_rate_hz=16_000, audio_block_start_ms=0.0))
    assert row["digital_silence_ratio"] == 0.0
    assert row["audio_block_trace"] is not None
    assert row["leak_audio"] is False


@pytest.mark.parametrize(
    ("samples", "is_present", "why_not"),
    [
        (noise(60 * 640), None, "a rhythm is looked for in 2.5 s or more"),
        (np.zeros(N_IMAGES * 640, np.float32), None, "there is nothing but digital silence"),
        (np.zeros(N_IMAGES * 640, np.float32), np.zeros(N_IMAGES * 640, np.bool_), "there is no sound in this part"),
    ],
    ids=["short", "silent", "no sound"],
)
def test_what_is_not_measured_has_a_reason(samples: np.ndarray, is_present: np.ndarray | None, why_not: str) -> None:
    row = row_of(part_of(samples, is_present, audio_codec="aac", source_audio_rate_hz=44_100))
    assert (row["leak_audio"], row["audio_rhythm"], row["leak_audio_reason"]) == (None, None, why_not)


def test_a_part_without_sound_is_left_as_it_is() -> None:
    part = Part(Clip("a", "a.mp4"), 0, 1, 0, N_IMAGES)
    part.fail(Failure.NO_AUDIO, "none")
    SoundTraces()([part])
    assert part.row == {}


CODED = {
    "aac at 32 kbit/s": (("-c:a", "aac", "-b:a", "32k", "-ar", "44100"), "high", True),
    "aac at 64 kbit/s": (("-c:a", "aac", "-b:a", "64k", "-ar", "22050"), "medium", False),
    "flac": (("-c:a", "flac", "-ar", "44100"), "none", False),
}


@pytest.mark.parametrize(("output", "risk", "leaks"), CODED.values(), ids=CODED.keys())
@pytest.mark.parametrize("delay", ["0", "0.3137"], ids=["with the pictures", "later than the pictures"])
def test_clips_from_files(tmp_path: Path, output: tuple[str, ...], risk: str, leaks: bool, delay: str) -> None:
    soundfile.write(tmp_path / "noise.wav", noise(10 * 44_100, seed=2), 44_100, "FLOAT")
    pictures = ["-f", "lavfi", "-i", "color=s=64x48:r=25:d=10"]
    out = tmp_path / "clip.mkv"
    run_ffmpeg([*pictures, "-itsoffset", delay, "-i", str(tmp_path / "noise.wav"), "-c:v", "mpeg4", *output, "-t", "10", str(out)])
    rows = [complete(part.row) for part in SoundTraces()(list(ReadClip()(Clip("clip", str(out)))))]
    assert len(rows) == 2
    for row in rows:
        assert row["audio_leak_risk"] == risk
        assert row["leak_audio"] is leaks
        is_aac = output[1] == "aac"
        assert (row["audio_block_trace"] is not None) == is_aac
        # Every part finds the blocks, wherever the sound begins and however far into the file the part is.
        assert not is_aac or float(str(row["audio_block_trace"])) > 5
        if leaks:
            assert str(row["leak_audio_reason"]).startswith("the sound changes at the rhythm of AAC's blocks at 44100 Hz, ")
            assert row["audio_rhythm_rate_hz"] == 44_100
