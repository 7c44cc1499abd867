"""A manifest through Ray Data: the same items as without it, each once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch

from syncqc.engine.ray_data import _start as start_ray
from syncqc.errors import UsageError
from syncqc.loaders.ray import read_segments
from syncqc.loaders.segments import SegmentDataset
from syncqc.loaders.settings import LoaderSettings

LENGTHS = (10, 7, 9, 10, 8)


@pytest.fixture(scope="module")
def manifest(shared: Any) -> Path:
    """Five clips of different lengths, and a row whose file is not there."""
    for i, n in enumerate(LENGTHS):
        shared.clip(str(i), n)
    rows = [shared.row(str(i), n, clip_offset_frames=1) for i, n in enumerate(LENGTHS)]
    path: Path = shared.manifest([*rows, shared.row("gone", 10)])
    return path


@pytest.fixture(scope="module")
def running_ray() -> Iterator[None]:
    start_ray(None)
    yield
    ray.shutdown()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
def test_items_are_those_of_the_segments(manifest: Path, running_ray: None) -> None:
    settings = LoaderSettings(on_error="skip")
    items = read_segments(manifest, settings=settings, rows_per_task=2).take_all()
    expected = SegmentDataset(manifest, settings=settings)
    assert sorted(item["row"] for item in items) == [0, 1, 2, 3, 4], "each once, without the one whose file is gone"
    for found in items:
        wanted = expected[found["row"]]
        assert wanted is not None
        assert found.keys() == wanted.keys()
        assert found["images"].dtype == np.uint8
        assert found["images"].shape == (LENGTHS[found["row"]], 3, 48, 64)
        for name, value in wanted.items():
            assert np.array_equal(found[name], value.numpy() if isinstance(value, torch.Tensor) else value), name  # type: ignore[attr-defined]
    # Nothing is decoded before it is asked for: the file that is gone is only missed by who asks for it.
    stretches = read_segments(manifest, where="n_images < 10", settings=LoaderSettings(n_images=6, images="none"))
    batch = next(iter(stretches.drop_columns(["clip_id"]).iter_torch_batches(batch_size=3)))
    assert sorted(batch["row"].tolist()) == [0, 1, 2]
    assert batch["sound"].shape == (3, 6 * 640)
    with pytest.raises(Exception, match=r"gone\.mkv"):
        read_segments(manifest, where="clip_id = 'gone'").take_all()


def test_a_wrong_condition_is_refused_before_ray_is_started(manifest: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'n_images'"):
        read_segments(manifest, where="n_image > 3")
    with pytest.raises(ValueError, match="rows_per_task must be 1 or more"):
        read_segments(manifest, rows_per_task=0)
