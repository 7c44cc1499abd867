"""The sound of synthetic speech: a glottal source and noise through formants that move with the drawn mouth.

Knows nothing of pictures or files. Not meant to be understood by anyone; meant to be loud, dark and bright when speech is.

Source: Klatt, "Software for a cascade/parallel formant synthesizer", JASA 67 (1980): the resonators and their order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, lfilter, oaconvolve, sosfilt

from syncqc.clock import SOUND_RATE_HZ
from syncqc.media.synthetic_speech import CURVE_RATE_HZ, Curves, Speech, Spoken

F64 = npt.NDArray[np.float64]

BLOCK_SAMPLES = 80
"""Formants stand still for 5 ms."""
_BANDWIDTHS_HZ = (80.0, 100.0, 140.0, 250.0, 300.0)
_HIGH_FORMANTS_HZ = (3500.0, 4500.0)
_LOUDNESS_RMS = 0.14
_ECHO_S, _ECHO_SHARE = 0.045, 0.12
"""Time constant of a furnished room's echo, and its energy as a share of the direct sound's."""


@dataclass(frozen=True)
class Speaker:
    """What tells one voice from another."""

    pitch_hz: float
    formant_scale: float
    """1 for a man's vocal tract, about 1.17 for a woman's, more for a child's."""
    breath: float = 0.03
    """Amplitude of the noise in the glottal source."""
    noise_floor: float = 0.001
    """Amplitude of the room's noise: recordings are never wholly silent between words."""


def speaker(seed: int, *, is_man: bool = False) -> Speaker:
    """A deep voice from a short vocal tract, or a man's voice; the same for the same seed."""
    random = np.random.default_rng([seed, 3])
    height, breath = float(random.uniform(0.0, 1.0)), float(random.uniform(0.05, 0.1))
    if is_man:
        return Speaker(95.0 + 40.0 * height, 1.0 + 0.04 * height, breath)
    return Speaker(135.0 + 40.0 * height, 1.22 + 0.06 * height, breath)


def voice(speech: Speech, who: Speaker, seed: int) -> F64:
    """Samples at 16 kHz in [-1, 1]; sample 0 is heard at the beginning of the curves."""
    random = np.random.default_rng([seed, 4])
    curves = speech.curves
    n = len(curves.opening) * SOUND_RATE_HZ // CURVE_RATE_HZ
    levels = _levels(speech, n)
    source = _glottal_flow(_pitch(speech, who, random, n), random) + who.breath * random.standard_normal(n)
    excitation = levels.voice * source + 0.05 * levels.aspiration * random.standard_normal(n)
    sound = _tract(excitation, curves, who.formant_scale, levels.is_nasal) + _friction(speech, random, n)
    speaking = sound[np.abs(sound) > 0.02 * np.abs(sound).max()]
    sound *= _LOUDNESS_RMS / float(np.sqrt(np.mean(speaking**2)))
    sound = _in_a_room(sound, random) + who.noise_floor * _hum(random, n)
    return np.asarray(np.tanh(1.4 * sound) / 1.4, np.float64)


def _in_a_room(sound: F64, random: np.random.Generator) -> F64:
    """The sound with a short echo after it."""
    times_s = np.arange(round(5 * _ECHO_S * SOUND_RATE_HZ)) / SOUND_RATE_HZ
    echo = random.standard_normal(len(times_s)) * np.exp(-times_s / _ECHO_S)
    echo[: round(0.004 * SOUND_RATE_HZ)] = 0.0
    echo *= np.sqrt(_ECHO_SHARE / np.sum(echo**2))
    echo[0] = 1.0
    return np.asarray(oaconvolve(sound, echo)[: len(sound)], np.float64)


def _hum(random: np.random.Generator, n: int) -> F64:
    """Noise of unit loudness, stronger towards low frequencies."""
    noise = 0.12 * random.standard_normal(n) + lfilter([0.15], [1.0, -0.9], random.standard_normal(n))
    return np.asarray(noise / noise.std(), np.float64)


@dataclass
class _Levels:
    voice: F64
    aspiration: F64
    is_nasal: F64


def _levels(speech: Speech, n: int) -> _Levels:
    """Amplitudes (n,) of the sources. The wider the mouth, the more comes out of it."""
    steps = {name: np.zeros(len(speech.curves.opening)) for name in ("voice", "aspiration", "nasal")}
    for sound in speech.sounds:
        first, release, end = (_step(speech, t) for t in (sound.start_s, sound.release_s, sound.end_s))
        phone = sound.phone
        steps["voice"][first:end] = phone.voice * sound.stress
        steps["nasal"][first:end] = phone.kind == "nasal"
        if phone.kind == "stop":
            # After the burst of b and d the voice is back at once; after p, t and k comes a breath.
            steps["voice"][release:end] = 0.8 if phone.voice else 0.0
            steps["aspiration"][release:end] = 0.3 if phone.voice else 1.0
    gain = (0.04 + np.clip(speech.curves.opening, 0.0, 1.0)) ** 0.4
    free = np.maximum(steps["nasal"], [0.0])
    shut = _is_stopped(speech)
    steps["voice"] *= np.where((free > 0) | shut, 1.0, gain)
    smooth = {name: gaussian_filter1d(step, 0.006 * CURVE_RATE_HZ) for name, step in steps.items()}
    return _Levels(_to_samples(smooth["voice"], n), _to_samples(smooth["aspiration"], n), _to_samples(smooth["nasal"], n))


def _step(speech: Speech, time_s: float) -> int:
    return round((time_s - speech.curves.start_s) * CURVE_RATE_HZ)


def _is_stopped(speech: Speech) -> npt.NDArray[np.bool_]:
    """While a stop is shut its hum comes through the throat, not through the lips."""
    stopped = np.zeros(len(speech.curves.opening), np.bool_)
    for sound in speech.sounds:
        if sound.phone.kind == "stop":
            stopped[_step(speech, sound.start_s) : _step(speech, sound.release_s)] = True
    return stopped


def _to_samples(curve: F64, n: int) -> F64:
    return np.interp(np.arange(n) * CURVE_RATE_HZ / SOUND_RATE_HZ, np.arange(len(curve)), curve)


def _pitch(speech: Speech, who: Speaker, random: np.random.Generator, n: int) -> F64:
    """Pitch in Hz (n,): falls through a phrase, rises with stress, and is never quite steady."""
    curve = np.zeros(len(speech.curves.opening))
    height = 1.12
    for sound in speech.sounds:
        height = 1.12 if sound.phone.kind == "pause" else max(0.85, height - 0.012)
        accent = 0.25 * (sound.stress - 0.9) if sound.phone.kind == "vowel" else 0.0
        curve[_step(speech, sound.start_s) : _step(speech, sound.end_s)] = height + accent
    wander = gaussian_filter1d(random.standard_normal(len(curve)), 0.008 * CURVE_RATE_HZ)
    return who.pitch_hz * _to_samples(gaussian_filter1d(curve, 0.04 * CURVE_RATE_HZ) + 0.012 * wander / wander.std(), n)


def _glottal_flow(pitch_hz: F64, random: np.random.Generator) -> F64:
    """The derivative of the air flow through the glottis (n,), of unit loudness, each pulse a little stronger or weaker.

    Source: Rosenberg, "Effect of glottal pulse shape on the quality of natural vowels", JASA 49 (1971), shape B.
    """
    turns = np.cumsum(pitch_hz) / SOUND_RATE_HZ
    phase, pulse = turns % 1.0, turns.astype(np.int64)
    opening, closing = 0.40, 0.16
    rise = 3 * (phase / opening) ** 2 - 2 * (phase / opening) ** 3
    fall = 1 - ((phase - opening) / closing) ** 2
    flow = np.where(phase < opening, rise, np.where(phase < opening + closing, fall, 0.0))
    strength = 1 + 0.05 * random.standard_normal(pulse.max() + 1)
    derivative = np.diff(flow * strength[pulse], prepend=0.0)
    return np.asarray(derivative / derivative.std(), np.float64)


def _tract(excitation: F64, curves: Curves, scale: float, is_nasal: F64) -> F64:
    """The excitation after five resonators in a row, the lower three moving; the nose damps them."""
    n_blocks = -(-len(excitation) // BLOCK_SAMPLES)
    centres = np.minimum((np.arange(n_blocks) + 0.5) * BLOCK_SAMPLES, len(excitation) - 1)
    at = centres.astype(np.int64) * CURVE_RATE_HZ // SOUND_RATE_HZ
    high = np.broadcast_to(_HIGH_FORMANTS_HZ, (n_blocks, 2))
    formants = scale * np.concatenate([curves.formants_hz[at], high], axis=1)
    widths = np.asarray(_BANDWIDTHS_HZ) * (1 + 1.5 * is_nasal[centres.astype(np.int64)][:, None])
    sections = _resonators(formants, widths)
    state, blocks = np.zeros((5, 2)), []
    for i in range(n_blocks):
        block, state = sosfilt(sections[i], excitation[i * BLOCK_SAMPLES : (i + 1) * BLOCK_SAMPLES], zi=state)
        blocks.append(block)
    return np.concatenate(blocks)


def _resonators(centres_hz: F64, widths_hz: F64) -> F64:
    """Second-order sections (blocks, resonators, 6) that leave steady air flow as it is.

    Source: Klatt (1980), equation 2.
    """
    radius = np.exp(-np.pi * widths_hz / SOUND_RATE_HZ)
    b = 2 * radius * np.cos(2 * np.pi * centres_hz / SOUND_RATE_HZ)
    c = -(radius**2)
    zero, one = np.zeros_like(b), np.ones_like(b)
    return np.stack([1 - b - c, zero, zero, one, -b, -c], axis=2)


def _friction(speech: Speech, random: np.random.Generator, n: int) -> F64:
    """Noise of fricatives, and of stops when they burst."""
    total = np.zeros(n)
    by_band: dict[tuple[float, float], list[Spoken]] = {}
    for sound in speech.sounds:
        if sound.phone.noise:
            by_band.setdefault(sound.phone.noise_band_hz, []).append(sound)
    for band_hz, sounds in sorted(by_band.items()):
        envelope = np.zeros(len(speech.curves.opening))
        for sound in sounds:
            is_stop = sound.phone.kind == "stop"
            first = sound.release_s if is_stop else sound.start_s
            end = sound.release_s + 0.015 if is_stop else sound.end_s
            envelope[_step(speech, first) : _step(speech, end)] = sound.phone.noise
        smooth = _to_samples(gaussian_filter1d(envelope, 0.005 * CURVE_RATE_HZ), n)
        noise = sosfilt(butter(2, band_hz, "bandpass", fs=SOUND_RATE_HZ, output="sos"), random.standard_normal(n))
        total += smooth * noise / noise.std()
    return total
