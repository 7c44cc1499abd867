"""A network small enough for a test."""

from __future__ import annotations

import pytest
import torch

from syncqc.nets.ic_syncnet import IcSyncNetConfig

torch.set_num_threads(1)


@pytest.fixture
def mini() -> IcSyncNetConfig:
    """Sides that are no powers of two; the last maps are 4 x 7 (images) and 8 x 20 (mel)."""
    return IcSyncNetConfig(
        height_px=14, width_px=26, visual_widths=(4, 6, 8), visual_depth=1, audio_widths=(4, 6, 8), audio_depth=1, embedding=12
    )
