"""Log-mel columns at 80 per second: hop 200, window 800, 80 bands, column k centred on sample 200 k.

Knows nothing of files or networks. A column depends only on the 801 samples around its centre, so a part cut out of a
file has the same columns as the whole file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from syncqc.clock import MEL_HOP_SAMPLES, MEL_WINDOW_SAMPLES, N_MEL_BANDS, SOUND_RATE_HZ

F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MelFrontEnd:
    """How sound becomes mel; a checkpoint records the one it was trained with."""

    pre_emphasis: float = 0.97
    min_hz: float = 55.0
    max_hz: float = 7600.0
    floor: float = 1e-5
    """Magnitudes below it count as it."""
    low_db: float = -100.0
    """Maps to 0."""
    high_db: float = 20.0
    """Maps to 1."""


def reach(first_column: int, n_columns: int) -> tuple[int, int]:
    """The samples [first, end) on which these columns depend, one more for pre-emphasis included."""
    half = MEL_WINDOW_SAMPLES // 2
    return first_column * MEL_HOP_SAMPLES - half - 1, (first_column + n_columns - 1) * MEL_HOP_SAMPLES + half


def mel_columns(samples: F32, is_present: Bools, front_end: MelFrontEnd) -> tuple[F32, Bools]:
    """Columns (n, 80), 0 for -100 dB and 1 for 20 dB, and whether each column's centre has sound.

    `samples` are exactly those of `reach(first_column, n)`; absent sound must be 0 in them.
    Source: the numbers of Wav2Lip's front end (Slaney mel of Hann-windowed magnitudes, 20 log10).

    Raises:
        ValueError: the number of samples does not belong to a whole number of columns.
    """
    extra = len(samples) - 1 - MEL_WINDOW_SAMPLES
    if extra < 0 or extra % MEL_HOP_SAMPLES:
        raise ValueError(f"{len(samples) = } belongs to no whole number of columns")
    scaled = mel_tensor(torch.from_numpy(np.ascontiguousarray(samples, np.float32)), front_end)
    centres = 1 + MEL_WINDOW_SAMPLES // 2 + MEL_HOP_SAMPLES * np.arange(len(scaled))
    return scaled.numpy(), is_present[centres]


def mel_tensor(samples: Tensor, front_end: MelFrontEnd) -> Tensor:
    """Columns (..., n, 80) of sound (..., samples), on its device and in its precision; `mel_columns` for tensors.

    The first column is centred on sample 401 of those given, and each further one 200 samples on: given `reach(first_column, n)`, they
    are the columns from `first_column` on. Samples after the last whole column are not used.
    """
    emphasised = samples[..., 1:] - front_end.pre_emphasis * samples[..., :-1]
    frames = emphasised.unfold(-1, MEL_WINDOW_SAMPLES, MEL_HOP_SAMPLES)
    window = torch.hann_window(MEL_WINDOW_SAMPLES, dtype=samples.dtype, device=samples.device)
    spectrum = torch.fft.rfft(frames * window, dim=-1).abs()
    mel = spectrum @ torch.from_numpy(slaney_bands(front_end.min_hz, front_end.max_hz)).to(samples).T
    db = 20.0 * torch.log10(mel.clamp_min(front_end.floor))
    return (db - front_end.low_db) / (front_end.high_db - front_end.low_db)


@cache
def slaney_bands(min_hz: float, max_hz: float, n_bands: int = N_MEL_BANDS) -> F32:
    """Triangular bands (n_bands, 401) on Slaney's mel scale, each of unit area.

    Source: Slaney, Auditory Toolbox (1998): linear below 1 kHz, logarithmic above.
    """
    hz = _mel_to_hz(np.linspace(_hz_to_mel(min_hz), _hz_to_mel(max_hz), n_bands + 2))
    bins = np.linspace(0.0, SOUND_RATE_HZ / 2, MEL_WINDOW_SAMPLES // 2 + 1)
    rising = (bins[None, :] - hz[:-2, None]) / np.diff(hz)[:-1, None]
    falling = (hz[2:, None] - bins[None, :]) / np.diff(hz)[1:, None]
    bands = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (hz[2:] - hz[:-2]))[:, None]
    return bands.astype(np.float32)


_BREAK_HZ, _BREAK_MEL, _HZ_PER_MEL, _LOG_STEP = 1000.0, 15.0, 200.0 / 3, np.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    return hz / _HZ_PER_MEL if hz < _BREAK_HZ else _BREAK_MEL + float(np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL)))
