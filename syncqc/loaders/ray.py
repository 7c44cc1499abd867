"""The segments of a manifest as a Ray dataset: decoded in the cluster's workers as they are asked for.

The one file of this room that knows Ray, and no other file knows it. Every node needs syncqc, and the manifest's videos under the
paths that the manifest gives.

::

    items = read_segments("clean.parquet", settings=LoaderSettings(n_images=25, images="none", crops=True))
    for batch in items.drop_columns(["clip_id"]).iter_torch_batches(batch_size=8): ...   # text makes no tensor
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data
from torch import Tensor

from syncqc.loaders.segments import SegmentDataset
from syncqc.loaders.settings import LoaderSettings

ROWS_PER_TASK = 16


def read_segments(
    manifest: Path | str,
    *,
    where: str | None = None,
    settings: LoaderSettings = LoaderSettings(),
    epoch: int = 0,
    tracks: Path | str | None = None,
    rows_per_task: int = ROWS_PER_TASK,
) -> ray.data.Dataset:
    """The items of a `SegmentDataset`, a row each, as numpy arrays; nothing is decoded before they are asked for.

    Ray gives rows in any order, unless its `preserve_order` is set; `row` is the number of each. A task decodes `rows_per_task` rows,
    one after another, on one core. Rows travel through Ray's object store: whole pictures are large (5 s at 1280 x 720 are 0.35 GB), crops
    are not. `epoch` draws the stretches anew.

    Raises:
        UsageError: as in `SegmentDataset`.
        ValueError: `rows_per_task` is below 1.
    """
    if rows_per_task < 1:
        raise ValueError(f"rows_per_task must be 1 or more, not {rows_per_task}")
    data = SegmentDataset(manifest, where=where, settings=settings, tracks=tracks)
    read: Callable[..., Iterator[Any]] = _items
    rows = ray.data.range(len(data), override_num_blocks=-(-len(data) // rows_per_task))
    # One copy in the object store for all tasks, however many; in a tuple, so that every Ray hands on the reference itself.
    return rows.map_batches(read, batch_size=None, fn_kwargs={"shared": (ray.put(data),), "epoch": epoch}, num_cpus=1)


def _items(rows: Any, shared: tuple[ray.ObjectRef[SegmentDataset]], epoch: int) -> Iterator[Any]:
    data = ray.get(shared[0])
    for row in rows["id"]:
        item = data.item(int(row), epoch)
        if item is not None:
            yield {name: _in_a_batch(value) for name, value in item.items()}


def _in_a_batch(value: object) -> Any:
    """The value as a batch of one."""
    return np.ascontiguousarray(value.numpy())[None] if isinstance(value, Tensor) else np.array([value])
