from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from syncqc.cli.main import main
from syncqc.media.synthetic import Talk, draw


@pytest.mark.slow
def test_the_example_learns_which_image_is_in_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "clips").mkdir()
    draw(Talk(seed=5, duration_s=3.0, offset_frames=3), tmp_path / "clips" / "early_3.mp4")
    assert main(["score", str(tmp_path / "clips"), "--out", str(tmp_path / "manifest.parquet"), "--engine", "local"]) == 0
    capsys.readouterr()
    path = Path(__file__).parents[2] / "pipelines" / "sync_loss_example.py"
    losses, shares = runpy.run_path(str(path))["train"](tmp_path / "manifest.parquet", n_steps=8)
    assert len(losses) == 8
    assert np.mean(losses[-3:]) < losses[0] / 2
    # The loader takes the offset away: only the images from -1 ... 1 away are in time.
    assert sum(shares[3:6]) > 0.9
