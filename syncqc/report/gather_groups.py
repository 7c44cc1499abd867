"""Which groups of rows the report tells apart: a dataset each, or a dataset of one manifest, and their names.

Knows manifests by their column `dataset` alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from syncqc.errors import UsageError
from syncqc.manifest import store
from syncqc.manifest.blocks import Block, Indices
from syncqc.manifest.columns import DATASET
from syncqc.report.gather_rows import value_counts

MOST_GROUPS = 8
"""As many as there are colours that can be told apart."""
_ROWS_AT_ONCE = 500_000


@dataclass(frozen=True)
class DatasetGroups:
    """The groups, and which one each row is in."""

    names: tuple[str, ...]
    manifests: tuple[str, ...]
    """Per group the name of its manifest; empty where several were put together."""
    together: tuple[str, ...]
    """The datasets that are in the last group because there are too many; empty where there are not."""
    n_unnamed: tuple[int, ...]
    """Per manifest: rows that name no dataset."""
    _of: dict[tuple[int, str | None], int]

    def of_rows(self, manifest: int, block: Block) -> Indices:
        """Per row the number of its group."""
        encoded = block.column("dataset").dictionary_encode()
        groups = [self._of[manifest, name] for name in encoded.dictionary.to_pylist()]
        of_null = self._of.get((manifest, None), -1)
        places = pc.fill_null(encoded.indices, pa.scalar(len(groups), pa.int32())).to_numpy()
        numbers: Indices = np.array([*groups, of_null], np.int64)[places]
        return numbers


def short_names(manifests: Sequence[Path]) -> tuple[str, ...]:
    """Per manifest the shortest end of its path that no other one has; its last name where that is enough.

    Raises:
        UsageError: a manifest is named twice.
    """
    paths = [path.resolve() for path in manifests]
    twice = next((path for path, n in Counter(paths).items() if n > 1), None)
    if twice is not None:
        raise UsageError(f"{manifests[paths.index(twice)]} is named twice")
    names = []
    for path in paths:
        n_parts = 1
        while n_parts < len(path.parts) and sum(other.parts[-n_parts:] == path.parts[-n_parts:] for other in paths) > 1:
            n_parts += 1
        names.append(store.storable("/".join(path.parts[-n_parts:])))
    return tuple(names)


def dataset_groups(manifests: Sequence[Path]) -> DatasetGroups:
    """The groups of these manifests' rows, at most `MOST_GROUPS`: by name as they stand in the manifests, the smaller ones together last.

    Rows that name no dataset stand under the manifest's name without its ending; so does a manifest without rows.

    Raises:
        UsageError: a manifest is missing, none, or named twice.
    """
    shown = short_names(manifests)
    sizes: dict[tuple[int, str | None], int] = {}
    for number, manifest in enumerate(manifests):
        found = _sizes(manifest)
        sizes.update({(number, name): found[name] for name in sorted(found, key=str)} or {(number, None): 0})
    by_name: dict[tuple[int, str], list[tuple[int, str | None]]] = defaultdict(list)
    for number, name in sizes:
        by_name[number, name if name is not None else _stem(shown[number])].append((number, name))
    holders = Counter(name for _, name in by_name)
    ranked = sorted(by_name, key=lambda group: -sum(sizes[key] for key in by_name[group]))
    alone = set(ranked if len(ranked) <= MOST_GROUPS else ranked[: MOST_GROUPS - 1])
    groups = [group for group in by_name if group in alone]
    labels = [name if holders[name] == 1 else f"{name} ({shown[number]})" for number, name in groups]
    of = {key: place for place, group in enumerate(groups) for key in by_name[group]}
    rest = [group for group in by_name if group not in alone]
    of.update({key: len(groups) for group in rest for key in by_name[group]})
    return DatasetGroups(
        names=(*labels, *([f"{len(rest)} others"] if rest else [])),
        manifests=(*(shown[number] for number, _ in groups), *([""] if rest else [])),
        together=tuple(name if holders[name] == 1 else f"{name} ({shown[number]})" for number, name in rest),
        n_unnamed=tuple(sizes.get((number, None), 0) for number in range(len(manifests))),
        _of=of,
    )


def _sizes(manifest: Path) -> Counter[str | None]:
    """Per dataset, or None, how many rows name it."""
    sizes = Counter[str | None]()
    with pq.ParquetFile(manifest) as file:
        if DATASET.name not in file.schema_arrow.names:
            return Counter({None: file.metadata.num_rows} if file.metadata.num_rows else {})
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=[DATASET.name]):
            sizes.update(dict(value_counts(batch.column(0).cast(DATASET.type))))
    return sizes


def _stem(name: str) -> str:
    return name.removesuffix(".parquet")
