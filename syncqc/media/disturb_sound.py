"""Sound made worse, sample by sample, without moving it: noise, voices, music, rooms, narrow bands, clipping.

Every function takes 16 kHz mono samples (n,) and gives as many; sample i stays at the time of sample i. Knows nothing of files
or pictures, and nothing of what is said.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, oaconvolve, sosfilt, sosfiltfilt

from syncqc.clock import SOUND_RATE_HZ

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

_LOWEST_HZ = 20.0
_ROOM_SILENT_S = 0.003
"""Nothing comes back from the walls before."""
_TAIL_RT60_S = 0.8
"""In a room that rings so long the reverberation is as strong as the direct sound; in others in proportion."""
_CHORDS = ((0, 3, 7), (-4, 0, 3), (3, 7, 10), (-2, 2, 5))
"""Semitones over the key: a minor key's I, VI, III and VII."""
_OVERTONES = 6


def mixed(samples: F32, added: F64, snr_db: float) -> F32:
    """The samples with `added` so loud that their power over all samples is `snr_db` above its own; unchanged where either is silent."""
    power, added_power = float(np.mean(samples.astype(np.float64) ** 2)), float(np.mean(added**2))
    if power == 0 or added_power == 0:
        return samples.copy()
    return np.asarray(samples + added * np.sqrt(power / added_power / 10 ** (snr_db / 10)), np.float32)


def white_noise(n: int, random: np.random.Generator) -> F64:
    """Noise (n,) as strong at every frequency."""
    return random.standard_normal(n)


def pink_noise(n: int, random: np.random.Generator) -> F64:
    """Noise (n,) as strong in every octave: its power falls with 1/f."""
    hz = np.fft.rfftfreq(n, 1 / SOUND_RATE_HZ)
    shape = np.where(hz >= _LOWEST_HZ, 1 / np.sqrt(np.maximum(hz, _LOWEST_HZ)), 0.0)
    return np.fft.irfft(np.fft.rfft(random.standard_normal(n)) * shape, n)


def babble(voices: Sequence[F32], n: int, random: np.random.Generator) -> F64:
    """All voices at once (n,), equally loud, each begun at a random place and repeated as long as needed; silence without any."""
    total = np.zeros(n)
    for voice in voices:
        loudness = float(np.sqrt(np.mean(voice.astype(np.float64) ** 2))) if len(voice) else 0.0
        if loudness > 0:
            begin = int(random.integers(len(voice)))
            total += np.resize(np.roll(voice, -begin), n) / loudness
    return total


def music(n: int, random: np.random.Generator) -> F64:
    """Plucked chords, a bass and drums (n,), in a key and at a speed of 90 to 130 beats a minute that are drawn."""
    beat = int(60 / random.uniform(90, 130) * SOUND_RATE_HZ)
    key_hz = 220.0 * 2 ** (random.integers(-5, 7) / 12)
    total = np.zeros(n + 4 * beat)
    for i, start in enumerate(range(0, n, beat)):
        chord = _CHORDS[i // 4 % len(_CHORDS)]
        notes = [_note(key_hz * 2 ** (step / 12), beat) for step in chord]
        bass = _note(key_hz / 4 * 2 ** (chord[0] / 12), beat)
        drum = _kick(beat) if i % 2 == 0 else _snare(beat, random)
        total[start : start + beat] += 0.25 * np.sum(notes, axis=0) + 0.5 * bass + 0.8 * drum
        for half in (0, beat // 2):
            total[start + half : start + half + beat // 4] += 0.15 * _hat(beat // 4, random)
    return total[:n]


def _note(hz: float, n: int) -> F64:
    """A plucked string: overtones that die away, the higher the faster."""
    times_s = np.arange(n) / SOUND_RATE_HZ
    overtones = (np.sin(2 * np.pi * k * hz * times_s) * np.exp(-(1.5 + 1.5 * k) * times_s) / k for k in range(1, _OVERTONES + 1))
    return np.asarray(sum(overtones) * np.minimum(1.0, times_s / 0.004))


def _kick(n: int) -> F64:
    times_s = np.arange(n) / SOUND_RATE_HZ
    return np.asarray(np.sin(2 * np.pi * (50 * times_s - 3 * np.exp(-30 * times_s))) * np.exp(-12 * times_s))


def _snare(n: int, random: np.random.Generator) -> F64:
    times_s = np.arange(n) / SOUND_RATE_HZ
    rattle, skin = random.standard_normal(n), np.sin(2 * np.pi * 180 * times_s)
    return np.asarray(0.7 * rattle * np.exp(-25 * times_s) + 0.5 * skin * np.exp(-30 * times_s))


def _hat(n: int, random: np.random.Generator) -> F64:
    noise = sosfilt(butter(2, 5000, "highpass", fs=SOUND_RATE_HZ, output="sos"), random.standard_normal(n))
    return np.asarray(noise * np.exp(-60 * np.arange(n) / SOUND_RATE_HZ))


def room(rt60_s: float, random: np.random.Generator) -> F64:
    """What a room makes of a click: the click itself at sample 0, then noise that falls by 60 dB in `rt60_s`.

    The noise has rt60_s / 0.8 s of the click's energy, as it grows with the room's ringing where the speaker stays where they are.
    Source: Polack's statistical model of late reverberation (noise under an exponential).
    """
    times_s = np.arange(round(1.2 * rt60_s * SOUND_RATE_HZ)) / SOUND_RATE_HZ
    tail = random.standard_normal(len(times_s)) * 10 ** (-3 * times_s / rt60_s)
    tail[: round(_ROOM_SILENT_S * SOUND_RATE_HZ)] = 0.0
    tail *= np.sqrt(rt60_s / _TAIL_RT60_S / np.sum(tail**2))
    tail[0] = 1.0
    return np.asarray(tail)


def reverberated(samples: F32, rt60_s: float, random: np.random.Generator) -> F32:
    """The samples as heard in such a room; the direct sound neither delayed nor weaker."""
    return np.asarray(oaconvolve(samples.astype(np.float64), room(rt60_s, random))[: len(samples)], np.float32)


def telephone(samples: F32) -> F32:
    """The samples between 300 and 3400 Hz alone; filtered forwards and backwards, so that nothing is delayed."""
    band = butter(4, (300, 3400), "bandpass", fs=SOUND_RATE_HZ, output="sos")
    return np.asarray(sosfiltfilt(band, samples.astype(np.float64)), np.float32)


def clipped(samples: F32, share: float = 0.1) -> F32:
    """The samples with the loudest `share` of them cut off at one level, as an overdriven microphone does."""
    level = float(np.quantile(np.abs(samples), 1 - share)) if len(samples) else 0.0
    return np.clip(samples, -level, level)
