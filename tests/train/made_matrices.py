"""Matrices by hand: 2 s of windows, as high as told at the middle shift and low elsewhere."""

from __future__ import annotations

import numpy as np

from syncqc.measure.settings import MeasureSettings
from syncqc.train.stretches import EvalSettings, Measuring

MEASURING = Measuring(0.1, 15, MeasureSettings(min_windows=1))
SETTINGS = EvalSettings(durations_s=(1.0, 3.0))
N = 46
"""Windows of 2 s."""


def pair(height: float) -> tuple[np.ndarray, np.ndarray]:
    matrix = np.full((61, N), -0.3, np.float32)
    matrix[30] = height
    return matrix, np.ones((61, N), np.bool_)
