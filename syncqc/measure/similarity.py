"""The cosine of every window's picture with the sound at every shift, which of these cells count, and their mean per shift.

::

    S, w = 2     window j ->   0     1     2    ...        audio[i] is the sound of window i - w, so audio holds n + 2 w vectors
    shift 0   offset +2      a_-2   a_-1   a_0             row r compares the picture of window j with the sound of window j + r - w
    shift 1   offset +1      a_-1   a_0    a_1
    shift 2   offset  0      a_0    a_1    a_2             the sound leads: it matches an earlier sound window, so a row above the middle
    shift 3   offset -1      a_1    a_2    a_3
    shift 4   offset -2      a_2    a_3    a_4

Knows no network and no threshold but the least number of windows that make a mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from syncqc.measure.settings import DEFAULTS, MeasureSettings

Floats = npt.NDArray[np.floating[Any]]
F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def similarity_matrix(video: Floats, audio: Floats) -> Floats:
    """Cosines (2 w + 1, n): [r, j] compares the picture of window j with the sound of window j + r - w.

    `video` is (n, d), `audio` (n + 2 w, d), where audio[i] is the sound of window i - w. The vectors need not be of length one;
    one of length zero or with a non-finite number has no direction, and its cosines are NaN.

    Raises:
        ValueError: the shapes do not fit.

    Source: IC-SyncNet, App. D (S[i, j] with the audio window of size 2 w + 1 around image j).
    """
    spare = audio.shape[0] - video.shape[0] if video.ndim == audio.ndim == 2 else -1
    if spare < 0 or spare % 2 or video.shape[1] != audio.shape[1]:
        raise ValueError(f"video must be (n, d) and audio (n + 2 w, d), got {video.shape = }, {audio.shape = }")
    n = video.shape[0]
    video, audio = _unit(video), _unit(audio)
    rows: list[Floats] = [np.einsum("jd,jd->j", video, audio[shift : shift + n]) for shift in range(spare + 1)]
    return np.stack(rows)


def validity(is_present_window: Bools, w: int) -> Bools:
    """Which cells of the similarity matrix count, (2 w + 1, n): those whose sound window is there.

    `is_present_window` is (n + 2 w,), True where the central 16 mel columns of sound window i - w lie inside the file's sound.

    Raises:
        ValueError: there are fewer than 2 w sound windows.
    """
    n = is_present_window.shape[0] - 2 * w
    if n < 0:
        raise ValueError(f"is_present_window must be (n + 2 w,), got {is_present_window.shape = } for {w = }")
    return np.stack([is_present_window[shift : shift + n] for shift in range(2 * w + 1)]).astype(np.bool_)


def mean_curve(similarity: Floats, is_valid: Bools, settings: MeasureSettings = DEFAULTS) -> F64:
    """Mean cosine per shift over the windows that count, (2 w + 1,); NaN for a shift with too few of them.

    Too few is less than `min_share_of_windows` of the n windows, or less than `min_windows`.

    Source: IC-SyncNet, App. D (the average of S[i, j] along the second axis).
    """
    n_valid = is_valid.sum(axis=1)
    total = np.where(is_valid, similarity, 0).sum(axis=1, dtype=np.float64)
    least = max(settings.min_windows, settings.min_share_of_windows * similarity.shape[1])
    return np.where(n_valid >= least, total / np.maximum(n_valid, 1), np.nan)


def _unit(vectors: Floats) -> Floats:
    """The vectors at length one, (n, d); NaN for those without a direction."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    has_direction = np.isfinite(lengths) & (lengths > 0)
    unit: Floats = np.where(has_direction, vectors / np.where(has_direction, lengths, 1), np.nan).astype(vectors.dtype)
    return unit
