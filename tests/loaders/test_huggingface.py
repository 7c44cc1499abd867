"""A manifest through Hugging Face's library: its rows, and its segments, each once, however many share the work."""

from __future__ import annotations

import importlib
import pickle
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.utils.data import DataLoader

from syncqc.errors import UsageError
from syncqc.loaders.huggingface import MOST_SHARDS, as_dataset, as_iterable, spans
from syncqc.loaders.segments import SegmentDataset
from syncqc.loaders.settings import LoaderSettings
from syncqc.manifest.columns import schema

N_ROWS = 5
SETTINGS = LoaderSettings(n_images=6)


@pytest.fixture(scope="module")
def manifest(shared: Any) -> Path:
    """Five clips of ten images; the sound of clip i is i images early. A sixth was dropped by a filter."""
    for i in range(N_ROWS):
        shared.clip(str(i), n_images=10)
    rows = [shared.row(str(i), 10, offset_frames=i, clip_offset_frames=i) for i in range(N_ROWS)]
    path: Path = shared.manifest([*rows, shared.row("dropped", 10, dropped_by="p")])
    return path


@pytest.fixture(autouse=True)
def nothing_is_written_or_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The library's cache is an empty folder that stays empty, and no connection is opened."""
    import datasets.config

    connect = socket.socket.connect

    def refuse(of: socket.socket, address: object) -> None:
        assert of.family == socket.AF_UNIX, f"the network was asked for {address}"
        connect(of, address)  # type: ignore[arg-type]

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
    assert not (tmp_path / "cache").exists()


def test_rows_are_those_of_the_manifest(manifest: Path) -> None:
    rows = as_dataset(manifest)
    assert rows.column_names == schema().names
    assert rows["clip_id"][:] == ["0", "1", "2", "3", "4"], "what was dropped stays away"
    assert Path(rows[2]["path"]).is_file()
    assert (rows[2]["offset_frames"], rows[2]["dropped_by"], rows[2]["onscreen"]) == (2, None, None)
    assert rows.features["clip_offset_frames"].dtype == "int32"


@pytest.mark.parametrize(
    ("where", "expected"),
    [("offset_frames >= 3", ["3", "4"]), ("true", ["0", "1", "2", "3", "4", "dropped"]), ("offset_frames > 9", [])],
    ids=["some", "all", "none"],
)
def test_rows_that_meet_a_condition(manifest: Path, where: str, expected: list[str]) -> None:
    rows = as_dataset(manifest, where=where, columns=["path", "clip_id"])
    assert rows.column_names == ["path", "clip_id"]
    assert list(rows["clip_id"]) == expected
    assert rows.data.schema.remove_metadata() == pa.schema([("path", pa.string()), ("clip_id", pa.string())])


def test_an_unknown_column_is_refused(manifest: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'offset_frames'"):
        as_dataset(manifest, columns=["offset_frame"])


def test_items_are_those_of_the_segments(manifest: Path, shared: Any) -> None:
    expected = SegmentDataset(manifest, settings=SETTINGS)
    items = list(as_iterable(manifest, settings=SETTINGS))
    assert [item["clip_id"] for item in items] == ["0", "1", "2", "3", "4"]
    for found, row in zip(items, range(N_ROWS), strict=True):
        wanted = expected[row]
        assert wanted is not None
        assert found.keys() == wanted.keys()
        assert found["images"].dtype == np.uint8
        assert found["offset_frames"] == row
        assert shared.number_of(torch.from_numpy(found["images"][0])) == found["first_image"]
        for name, value in wanted.items():
            assert np.array_equal(found[name], value.numpy() if isinstance(value, torch.Tensor) else value), name  # type: ignore[attr-defined]


def test_an_epoch_draws_stretches_anew(manifest: Path) -> None:
    firsts = [[item["first_image"] for item in as_iterable(manifest, settings=SETTINGS, epoch=epoch)] for epoch in (0, 0, 1)]
    assert firsts[0] == firsts[1] != firsts[2]


@pytest.mark.parametrize("n_ranks", [1, 2, 3], ids=lambda n: f"{n} ranks")
def test_ranks_share_the_rows(manifest: Path, n_ranks: int) -> None:
    from datasets.distributed import split_dataset_by_node

    items = as_iterable(manifest, settings=LoaderSettings(images="none"))
    shares = [[item["row"] for item in split_dataset_by_node(items, rank, n_ranks)] for rank in range(n_ranks)]
    assert sorted(row for share in shares for row in share) == list(range(N_ROWS))
    assert all(shares)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_share_the_rows(manifest: Path) -> None:
    items = as_iterable(manifest, settings=SETTINGS)
    batches = list(DataLoader(items, batch_size=None, num_workers=2))
    assert sorted(batch["row"] for batch in batches) == list(range(N_ROWS))
    assert all(batch["images"].shape == (6, 3, 48, 64) and batch["images"].dtype == torch.uint8 for batch in batches)


def test_shuffled_and_resumed(manifest: Path) -> None:
    items = as_iterable(manifest, settings=LoaderSettings(images="none")).shuffle(seed=1, buffer_size=1)
    whole = [item["row"] for item in items]
    assert sorted(whole) == list(range(N_ROWS))
    assert whole != sorted(whole)
    for item in items:
        if item["row"] == whole[2]:
            state = pickle.loads(pickle.dumps(items.state_dict()))
            break
    items.load_state_dict(state)
    assert [item["row"] for item in items] == whole[3:]


def test_files_that_cannot_be_read_are_left_out(manifest: Path) -> None:
    settings = LoaderSettings(images="none", on_error="skip")
    assert [item["clip_id"] for item in as_iterable(manifest, where="clip_id IN ('4', 'dropped')", settings=settings)] == ["4"]


@pytest.mark.parametrize(
    ("n_rows", "n_shards"), [(1, 1), (7, 6), (50, 48), (130, 128), (5760, 5760), (1_000_000, MOST_SHARDS)], ids=lambda n: str(n)
)
def test_spans_cover_all_rows_once_and_ranks_can_share_them(n_rows: int, n_shards: int) -> None:
    found = spans(n_rows)
    assert len(found) == n_shards
    assert [first for first, _ in found] == [0, *(end for _, end in found[:-1])]
    assert found[-1][1] == n_rows
    assert {end - first for first, end in found} <= {n_rows // n_shards, -(-n_rows // n_shards)}


@pytest.mark.parametrize("way_in", ["as_dataset", "as_iterable"])
def test_without_the_library_it_says_what_to_install(manifest: Path, way_in: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r"pip install 'syncqc\[huggingface\]'"):
        getattr(importlib.import_module("syncqc.loaders.huggingface"), way_in)(manifest)
