"""What coding left in sound: a rhythm of blocks, AAC's blocks themselves, a band limit, clipping, digital silence.

Knows neither files nor rows: samples at 16 kHz in, numbers out. Nothing here is heard; a network may learn it all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
import numpy.typing as npt

from syncqc.clock import SOUND_RATE_HZ

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

AAC_BLOCK_SAMPLES = 1024
AAC_RATES_HZ = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000)
"""Rates whose blocks are looked for in any sound: it may have been AAC before it became what it is."""

LOSSLESS = frozenset({"flac", "alac", "wavpack", "tta", "ape", "truehd", "mlp", "shorten", "tak"})
"""Codecs that give back what they were given, besides PCM."""

MIN_RHYTHM_S = 2.5
_WINDOW, _HOP, _LAG = 256, 64, 2
_BINS = slice(5, 120)
_FLOOR = np.float32(1e-4)
"""Of a spectrum of sound whose root mean square is 1; below is digital silence."""
_N_ASIDE, _FIRST_ASIDE = 24, 4
_N_HARMONICS = 2
_SPECTRUM = 16_384
"""Frames with the zeros after them: a rhythm is met to 0.008 Hz. More frames, over a minute, are not looked at."""

_N_PLACES = 16
_TRACE_BAND_HZ = (2000.0, 6000.0)
_MAX_TRACE_BINS = 64
_FINENESS = 8
"""Blocks lie on no whole sample of 16 kHz; they are looked for to an eighth of one."""
_MIN_BLOCKS, _MAX_BLOCKS = 16, 64


@dataclass(frozen=True)
class Rhythm:
    """The rate whose AAC blocks are most in evidence, and by how much."""

    rate_hz: int
    strength: float
    """Power of what changes at the blocks' rhythm, in standard deviations of rhythms a little slower and faster."""


def block_rhythm(samples: F32, rates_hz: tuple[int, ...] = AAC_RATES_HZ) -> Rhythm | None:
    """The strongest rhythm of AAC's blocks in the energies of the sound (n,), None where it is shorter than 2.5 s or silent.

    Coarse coding changes which bands it leaves empty from block to block. So at the rate of blocks there is a line in the periodogram
    of how much the spectrum changes and of how many bands are near their quietest. Where the blocks lie need not be known.

    Source: Iashin et al., Sparse in Space and Time (BMVC 2022), section 4 and Table 1: such traces can be learnt.
    """
    loudness = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if len(samples) else 0.0
    if len(samples) < MIN_RHYTHM_S * SOUND_RATE_HZ or loudness <= 0:
        return None
    signs = _changes(samples / np.float32(loudness))[:_SPECTRUM]
    n = len(signs)
    spectrum = np.abs(np.fft.rfft(signs * np.hanning(n)[:, None].astype(np.float32), _SPECTRUM, axis=0)).astype(np.float32) ** 2
    strength, rate_hz = max((_line(spectrum, n, rate_hz), rate_hz) for rate_hz in rates_hz)
    # Twice a rhythm is the rhythm of twice the rate: where the rhythm itself is the weaker one, that rate it is.
    is_twice = 2 * rate_hz in rates_hz and _line(spectrum, n, rate_hz, 1) < _line(spectrum, n, 2 * rate_hz, 1)
    return Rhythm(2 * rate_hz if is_twice else rate_hz, strength)


def _changes(samples: F32) -> F32:
    """Over time (frames, 9), each of unit spread: change of the log-spectrum in six bands, share of quiet bins in three."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP] * np.hanning(_WINDOW).astype(np.float32)
    level = np.log(np.abs(np.fft.rfft(frames, axis=1)[:, _BINS]).astype(np.float32) + _FLOOR)
    change = np.abs(level[_LAG:] - level[:-_LAG])
    level = level[_LAG // 2 : len(level) - _LAG // 2]
    quiet = (level < np.quantile(level[::4], 0.1, axis=0)).astype(np.float32)
    signs = np.stack([band.mean(1) for band in (*np.array_split(change, 6, axis=1), *np.array_split(quiet, 3, axis=1))], axis=1)
    signs -= signs.mean(0)
    return np.asarray(signs / (signs.std(0) + 1e-9), np.float32)


def _line(spectrum: F32, n_frames: int, rate_hz: int, n_harmonics: int = _N_HARMONICS) -> float:
    """How far the power at the rhythm of this rate's blocks and its multiples stands out among its neighbours."""
    evidence = np.zeros(1 + 2 * _N_ASIDE)
    for harmonic in range(1, n_harmonics + 1):
        power = spectrum[_places(harmonic * rate_hz / AAC_BLOCK_SAMPLES, n_frames)]
        evidence += (power / (power[1:].mean(0) + 1e-12)).mean(1)
    aside = evidence[1:]
    return float((evidence[0] - aside.mean()) / (aside.std() + 1e-12))


def _places(rhythm_hz: float, n_frames: int) -> npt.NDArray[np.int64]:
    """Where in the spectrum (1 + 48,) the rhythm is, and those aside, which lie as many steps of resolution away."""
    frame_rate_hz = SOUND_RATE_HZ / _HOP
    aside = np.arange(_FIRST_ASIDE, _FIRST_ASIDE + _N_ASIDE) * frame_rate_hz / n_frames
    # Below 2 Hz lies the slow rise and fall of the voice: what is missing there is taken on the other side.
    below = rhythm_hz - aside
    below = np.where(below > 2.0, below, rhythm_hz + aside[-1] + aside - aside[0] + frame_rate_hz / n_frames)
    rhythms = np.concatenate([[rhythm_hz], below, rhythm_hz + aside])
    return np.minimum(np.round(rhythms / frame_rate_hz * _SPECTRUM).astype(np.int64), _SPECTRUM // 2)


def block_trace(samples: F32, block_start: float, rate_hz: int) -> float | None:
    """How much emptier AAC's transform is where the blocks lie than elsewhere, in standard deviations of elsewhere.

    `block_start` is the number of the sample in `samples` (n,) at which one of the blocks of 1024 samples at `rate_hz` begins; it may
    lie between samples and outside. What the encoder rounded to zero is zero again in the modified discrete cosine transform of the
    decoded sound, only where the blocks lie, and only with the encoder's window: sine and Kaiser-Bessel are tried. None: under 16 blocks.

    Source: ISO/IEC 14496-3, 4.6.11 (filter bank and block switching).
    """
    block = AAC_BLOCK_SAMPLES * SOUND_RATE_HZ / rate_hz
    loudness = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if len(samples) else 0.0
    if len(samples) < (_MIN_BLOCKS + 3) * block or loudness <= 0:
        return None
    sound = samples / np.float32(loudness)
    first = block_start % block
    places = [first + (i + (i > 0) * 0.5) / (_N_PLACES + 1) * block for i in range(_N_PLACES + 1)]
    fullness = np.stack([_fullness(sound, place, rate_hz) for place in places])
    elsewhere = fullness[1:]
    return float(((elsewhere.mean(0) - fullness[0]) / (elsewhere.std(0, ddof=1) + 1e-12)).max())


def _fullness(sound: F32, first: float, rate_hz: int) -> F64:
    """Mean logarithm of the transform's values, for each window (2,), over blocks that begin at `first` or whole blocks after it."""
    block = AAC_BLOCK_SAMPLES * SOUND_RATE_HZ / rate_hz
    length = ceil(2 * block) + 1
    n_blocks = int((len(sound) - 2 * block - length) // block)
    chosen = np.unique(np.linspace(0, n_blocks - 1, min(n_blocks, _MAX_BLOCKS)).astype(np.int64))
    begins, between = np.divmod(np.round((first + block * chosen) * _FINENESS).astype(np.int64), _FINENESS)
    spans = np.lib.stride_tricks.sliding_window_view(sound, length)
    total = np.zeros(2)
    for part in range(_FINENESS):
        at = begins[between == part]
        if len(at):
            values = np.log(np.abs(spans[at] @ _transform(rate_hz, part, length)) + np.float32(1e-3))
            total += values.sum(0).reshape(2, -1).sum(1)
    return np.asarray(total / (len(chosen) * len(_trace_bins(rate_hz))), np.float64)


def _trace_bins(rate_hz: int) -> npt.NDArray[np.int64]:
    low, high = (int(hz / (rate_hz / 2) * AAC_BLOCK_SAMPLES) for hz in _TRACE_BAND_HZ)
    return np.arange(low, high, max(1, (high - low) // _MAX_TRACE_BINS))


@lru_cache(maxsize=64)
def _transform(rate_hz: int, part: int, length: int) -> F32:
    """The transform (length, 2 bins) of a block that begins `part` eighths of a sample of 16 kHz after the first of `length`.

    The first half of the columns is with the Kaiser-Bessel window, the second with the sine. Sums over samples of 16 kHz equal those
    over samples of `rate_hz` for sound below 8 kHz and bins below 6 kHz.
    """
    n = AAC_BLOCK_SAMPLES
    at = (np.arange(length) - part / _FINENESS) * rate_hz / SOUND_RATE_HZ
    rise = np.cumsum(np.kaiser(n + 1, 4 * np.pi))
    half = np.sqrt(rise[:n] / rise[n])
    kaiser_bessel = np.interp(at, np.arange(2 * n), np.concatenate([half, half[::-1]]))
    is_inside = (at >= -0.5) & (at < 2 * n - 0.5)
    waves = np.cos(np.pi / n * (at[:, None] + n / 2 + 0.5) * (_trace_bins(rate_hz)[None] + 0.5)) * rate_hz / SOUND_RATE_HZ
    windows = (kaiser_bessel, np.sin(np.pi * (at + 0.5) / (2 * n)))
    return np.concatenate([np.asarray(np.where(is_inside, w, 0.0)[:, None] * waves, np.float32) for w in windows], axis=1)


_CLIFF_DB, _CLIFF_HZ, _LOOK_HZ = 20.0, 250.0, 500.0
_LOWEST_CLIFF_HZ, _HIGHEST_CLIFF_HZ = 1500.0, 7200.0
"""Above 7.2 kHz the way down to 16 kHz has a cliff of its own."""
_CLIPPED = 0.99
_SILENT_STEP = 0.5 / 32768
_SILENT_SAMPLES = SOUND_RATE_HZ // 100


def band_limit_hz(samples: F32) -> float | None:
    """Above this frequency the mean spectrum of the sound (n,) lies 20 dB or more below what it is just before; None: nowhere so.

    So it is with sound that was once at a lower rate, and with coders that leave out high tones to save bits.
    """
    if len(samples) < SOUND_RATE_HZ // 4:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(samples, 512)[::256] * np.hanning(512).astype(np.float32)
    power = (np.abs(np.fft.rfft(frames, axis=1)) ** 2).mean(0)
    if power.max() <= 0:
        return None
    level_db = 10 * np.log10(power + 1e-9 * power.max())
    per_bin_hz = SOUND_RATE_HZ / 512
    across, look = round(_CLIFF_HZ / per_bin_hz / 2), round(_LOOK_HZ / per_bin_hz)
    edges = np.arange(round(_LOWEST_CLIFF_HZ / per_bin_hz), round(_HIGHEST_CLIFF_HZ / per_bin_hz) + 1)
    # Whatever comes later above the edge must be low as well: a gap between two tones is no limit.
    drops = np.array([np.median(level_db[e - across - look : e - across]) - level_db[e + across : -8].max() for e in edges])
    limits = edges[drops >= _CLIFF_DB]
    return float(limits[0] * per_bin_hz) if len(limits) else None


def clipped_ratio(samples: F32) -> float:
    """Share of the sound (n,) at 0.99 of full scale or beyond."""
    return float((np.abs(samples) >= _CLIPPED).mean()) if len(samples) else 0.0


def digital_silence_ratio(samples: F32) -> float:
    """Share of the sound (n,) in stretches of 10 ms or more that never reach half a step of 16 bits."""
    if not len(samples):
        return 0.0
    is_silent = np.concatenate([[False], np.abs(samples) < _SILENT_STEP, [False]])
    begins, ends = (np.flatnonzero(np.diff(is_silent.astype(np.int8)) == step) for step in (1, -1))
    lengths = ends - begins
    return float(lengths[lengths >= _SILENT_SAMPLES].sum() / len(samples))


def leak_risk(codec: str, rate_hz: int | None) -> str | None:
    """``none low medium high`` for what SparseSync's classifier could read from noise in this coding; None: it was not tried.

    Source: Iashin et al., Sparse in Space and Time (BMVC 2022), Table 1: right at first guess in 86.7 % (AAC, 44.1 kHz), 23.0 %
    (22.05 kHz), 6.3 % (16 kHz) and 2.9 % (lossless), where chance is 2 %.
    """
    if codec.startswith("pcm_") or codec in LOSSLESS:
        return "none"
    if codec != "aac" or not rate_hz:
        return None
    if rate_hz > 24_000:
        return "high"
    return "medium" if rate_hz > 16_000 else "low"
