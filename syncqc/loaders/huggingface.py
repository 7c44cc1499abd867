"""A manifest as a dataset of Hugging Face's `datasets`: its rows as a table, or its segments as a stream of decoded items.

Knows `datasets` and is known by nobody. Nothing is downloaded, and nothing is written into its cache: rows stay in memory,
videos where they are.

::

    rows = as_dataset("clean.parquet", where="speech_ratio > 0.5", columns=["clip_id", "path", "offset_frames"])
    items = as_iterable("clean.parquet", settings=LoaderSettings(n_images=25, images="none", crops=True))
    for batch in DataLoader(split_dataset_by_node(items, rank, world_size), batch_size=8, num_workers=4): ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from torch import Tensor

from syncqc.errors import UsageError
from syncqc.loaders.index import DEFAULT_WHERE
from syncqc.loaders.segments import SegmentDataset
from syncqc.loaders.settings import LoaderSettings
from syncqc.manifest.columns import schema
from syncqc.manifest.where import selected

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

MOST_SHARDS = 5760
"""Has many divisors: the powers of two up to 128, and 3, 5, 9 and 15 times most of them."""


def as_dataset(manifest: Path | str, *, where: str | None = None, columns: Sequence[str] | None = None) -> Dataset:
    """The rows of the manifest that meet the condition, with all columns or those named; a table in memory, nothing decoded.

    `where` is a condition in SQL over the manifest's columns; None: what `syncqc filter` left. Videos are paths, as text.

    Raises:
        UsageError: `datasets` is not installed, no manifest, a wrong condition, or an unknown column.
    """
    datasets = _datasets()
    names = schema().names if columns is None else list(columns)
    batches = list(selected(Path(manifest), DEFAULT_WHERE if where is None else where, names))
    of = batches[0].schema if batches else schema()
    plain = pa.schema([pa.field(name, of.field(name).type) for name in names])
    return datasets.Dataset(pa.Table.from_batches([pa.RecordBatch.from_arrays(batch.columns, schema=plain) for batch in batches], plain))


def as_iterable(
    manifest: Path | str,
    *,
    where: str | None = None,
    settings: LoaderSettings = LoaderSettings(),
    epoch: int = 0,
    tracks: Path | str | None = None,
) -> IterableDataset:
    """The items of a `SegmentDataset` in the order of the manifest, as dicts of numpy arrays, decoded as they are asked for.

    `split_dataset_by_node` and the workers of a `DataLoader` share them among themselves: each row comes once. They come in shards, as
    many as the largest divisor of 5760 that is not above the number of rows; a number of ranks that divides that number has each rank
    decode its own rows alone, another one has `datasets` decode everything on every rank. `epoch` draws the stretches anew. Without a
    format arrays keep their types; ``with_format("torch")`` makes 64-bit integers of bytes.

    Raises:
        UsageError: `datasets` is not installed, or as in `SegmentDataset`.
    """
    datasets = _datasets()
    from datasets.iterable_dataset import ExamplesIterable

    data = SegmentDataset(manifest, where=where, settings=settings, tracks=tracks)
    # What IterableDataset.from_generator makes, but for the builder on its way, which hashes the whole index and locks a file in the
    # cache folder, read-only on many clusters.
    return datasets.IterableDataset(ExamplesIterable(_items, {"data": data, "epoch": epoch, "spans": spans(len(data))}))


def spans(n_rows: int) -> list[tuple[int, int]]:
    """Runs of rows (first, one past the last) that cover all rows once, in order, their lengths equal but for one row.

    Their number is the largest divisor of 5760 that is not above `n_rows`.
    """
    n = max(n for n in range(1, min(n_rows, MOST_SHARDS) + 1) if MOST_SHARDS % n == 0)
    return list(pairwise(n_rows * i // n for i in range(n + 1)))


def _items(data: SegmentDataset, epoch: int, spans: list[tuple[int, int]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for first, end in spans:
        for row in range(first, end):
            item = data.item(row, epoch)
            if item is not None:
                yield str(row), {name: value.numpy() if isinstance(value, Tensor) else value for name, value in item.items()}


def _datasets() -> ModuleType:
    try:
        import datasets
    except ImportError:
        raise UsageError("a Hugging Face dataset needs the library `datasets`: pip install 'syncqc[huggingface]'") from None
    module: ModuleType = datasets
    return module
