"""What coding left in the sound of a part, and whether a network could go by it.

Knows nothing of pictures. Everything is measured on the 16 kHz sound that is scored, not on the file's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from syncqc.clock import SAMPLES_PER_IMAGE, SOUND_RATE_HZ
from syncqc.manifest import columns as c
from syncqc.manifest.row import Row
from syncqc.media.sound_trace import (
    MIN_RHYTHM_S,
    band_limit_hz,
    block_rhythm,
    block_trace,
    clipped_ratio,
    digital_silence_ratio,
    leak_risk,
)
from syncqc.stages.base import SOUND, Payload, Stage
from syncqc.stages.part import F32, Part


@dataclass
class SoundTraces(Stage):
    """The columns on what coding left in the sound; see `media.sound_trace` for how each is measured."""

    min_audio_rhythm: float = 4.5
    """From this strength on AAC's rhythm counts as a leak: 1 % of parts without coding reach it."""

    reads: ClassVar[tuple[c.Column | Payload, ...]] = (SOUND,)
    writes: ClassVar[tuple[c.Column | Payload, ...]] = (
        c.AUDIO_LEAK_RISK, c.AUDIO_BLOCK_TRACE, c.AUDIO_RHYTHM, c.AUDIO_RHYTHM_RATE_HZ, c.AUDIO_BAND_LIMIT_HZ, c.CLIPPED_RATIO,
        c.DIGITAL_SILENCE_RATIO, c.LEAK_AUDIO, c.LEAK_AUDIO_REASON,
    )  # fmt: skip

    def __call__(self, parts: list[Part]) -> list[Part]:
        """The parts with these columns; see `Stage`. A part without sound is left as it is."""
        for part in parts:
            if part.sound is not None and part.n_images:
                part.row |= self._measured(part)
        return parts

    def _measured(self, part: Part) -> Row:
        assert part.sound is not None
        codec, rate_hz = part.row.get("audio_codec"), part.row.get("source_audio_rate_hz")
        first = part.first_image * SAMPLES_PER_IMAGE
        at = slice(first - part.sound.first_sample, first - part.sound.first_sample + part.n_images * SAMPLES_PER_IMAGE)
        present = np.flatnonzero(part.sound.is_present[at])
        if not len(present):
            return {"leak_audio_reason": "there is no sound in this part"}
        heard = part.sound.samples[at][present]
        row: Row = {
            "audio_leak_risk": leak_risk(codec, int(rate_hz) if isinstance(rate_hz, int) else None) if isinstance(codec, str) else None,
            "audio_band_limit_hz": band_limit_hz(heard),
            "clipped_ratio": clipped_ratio(heard),
            "digital_silence_ratio": digital_silence_ratio(heard),
        }
        if present[-1] - present[0] + 1 == len(present):
            row["audio_block_trace"] = _block_trace(part.row, heard, first + int(present[0]))
        return row | self._leak(heard)

    def _leak(self, heard: F32) -> Row:
        rhythm = block_rhythm(heard)
        if rhythm is None:
            is_short = len(heard) < MIN_RHYTHM_S * SOUND_RATE_HZ
            why_not = f"a rhythm is looked for in {MIN_RHYTHM_S:g} s or more" if is_short else "there is nothing but digital silence"
            return {"leak_audio_reason": why_not}
        leaks = rhythm.strength >= self.min_audio_rhythm
        reason = f"the sound changes at the rhythm of AAC's blocks at {rhythm.rate_hz} Hz, {rhythm.strength:.1f} standard deviations"
        return {
            "audio_rhythm": rhythm.strength,
            "audio_rhythm_rate_hz": rhythm.rate_hz,
            "leak_audio": leaks,
            "leak_audio_reason": reason if leaks else None,
        }


def _block_trace(row: Row, heard: F32, first_sample: int) -> float | None:
    """How far the blocks of the file's own AAC stand out; None where it is no AAC-LC, or where its blocks lie is not known."""
    start_ms, rate_hz = row.get("audio_block_start_ms"), row.get("source_audio_rate_hz")
    if not isinstance(start_ms, float) or not isinstance(rate_hz, int):
        return None
    return block_trace(heard, start_ms * SOUND_RATE_HZ / 1000 - first_sample, rate_hz)
