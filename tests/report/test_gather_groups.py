from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syncqc.errors import UsageError
from syncqc.manifest.blocks import Block
from syncqc.report.gather_groups import dataset_groups, short_names


def written(path: Path, names: list[str | None]) -> Path:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"dataset": pa.array(names, pa.string())}), path)
    return path


def block(names: list[str | None]) -> Block:
    return Block(pa.table({"dataset": pa.array(names, pa.string())}))


def test_a_dataset_is_a_group_and_rows_without_one_stand_under_the_manifest(tmp_path: Path) -> None:
    groups = dataset_groups([written(tmp_path / "mine.parquet", ["x", None, "y", None, "x"])])
    assert groups.names == ("mine", "x", "y")
    assert groups.of_rows(0, block(["y", None, "x"])).tolist() == [2, 0, 1]
    assert groups.n_unnamed == (2,)


def test_a_dataset_named_as_the_manifest_takes_its_nameless_rows_in(tmp_path: Path) -> None:
    groups = dataset_groups([written(tmp_path / "x.parquet", ["x", None])])
    assert groups.names == ("x",)
    assert groups.of_rows(0, block(["x", None])).tolist() == [0, 0]


def test_one_name_in_two_manifests_is_two_groups(tmp_path: Path) -> None:
    groups = dataset_groups([written(tmp_path / "one.parquet", ["x"]), written(tmp_path / "two.parquet", ["x", "y"])])
    assert groups.names == ("x (one.parquet)", "x (two.parquet)", "y")
    assert groups.manifests == ("one.parquet", "two.parquet", "two.parquet")
    assert groups.of_rows(0, block(["x"])).tolist() == [0]
    assert groups.of_rows(1, block(["x", "y"])).tolist() == [1, 2]


def test_of_many_datasets_the_smaller_ones_stand_together(tmp_path: Path) -> None:
    sizes = {f"d{i}": 20 - i for i in range(10)}
    groups = dataset_groups([written(tmp_path / "m.parquet", [name for name, n in sizes.items() for _ in range(n)])])
    assert groups.names == (*[f"d{i}" for i in range(7)], "3 others")
    assert groups.manifests[-1] == ""
    assert groups.together == ("d7", "d8", "d9")
    assert groups.of_rows(0, block(["d9", "d0", "d7"])).tolist() == [7, 0, 7]


@pytest.mark.parametrize("has_column", [True, False])
def test_a_manifest_without_rows_is_a_group(tmp_path: Path, has_column: bool) -> None:
    path = written(tmp_path / "m.parquet", [])
    if not has_column:
        pq.write_table(pa.table({"clip_id": pa.array([], pa.string())}), path)
    assert dataset_groups([path]).names == ("m",)


def test_a_manifest_without_the_column_names_no_dataset(tmp_path: Path) -> None:
    pq.write_table(pa.table({"clip_id": ["a", "b"]}), tmp_path / "m.parquet")
    assert dataset_groups([tmp_path / "m.parquet"]).n_unnamed == (2,)


def test_names_are_as_short_as_they_can_be_told_apart(tmp_path: Path) -> None:
    paths = [tmp_path / "a/m.parquet", tmp_path / "b/m.parquet", tmp_path / "b/n.parquet"]
    assert short_names(paths) == ("a/m.parquet", "b/m.parquet", "n.parquet")
    with pytest.raises(UsageError, match="is named twice"):
        short_names([paths[2], tmp_path / "a/../b/n.parquet"])
