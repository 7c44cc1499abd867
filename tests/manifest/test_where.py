from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syncqc.errors import UsageError
from syncqc.manifest import store
from syncqc.manifest.columns import schema
from syncqc.manifest.where import is_met, query, selected

ROWS: list[dict[str, object]] = [
    {
        "clip_id": "a",
        "part_index": 0,
        "margin": 0.2,
        "speaker": "x",
        "onscreen": [{"start_s": 0.0, "end_s": 1.0}],
        "similarity": [0.5, None],
    },
    {"clip_id": "a", "part_index": 1, "margin": None, "speaker": "x"},
    {"clip_id": "b", "part_index": 0, "margin": 0.4, "speaker": "it's"},
]


def written(path: Path, rows: list[dict[str, object]] | None = None) -> Path:
    store.merge([], path, schema(), {})
    table = store.table_of(ROWS if rows is None else rows)
    pq.write_table(table.replace_schema_metadata(pq.read_schema(path).metadata), path, row_group_size=1000)
    return path


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return written(tmp_path / "m.parquet")


def parts(batches: Iterator[pa.RecordBatch]) -> list[tuple[str, int]]:
    return [(row["clip_id"], row["part_index"]) for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (None, [("a", 0), ("a", 1), ("b", 0)]),
        ("margin > 0.3", [("b", 0)]),
        ("margin <= 0.2", [("a", 0)]),
        ("margin IS NULL", [("a", 1)]),
        ("MARGIN < 1 or Part_Index = 1", [("a", 0), ("a", 1), ("b", 0)]),
        ("speaker = 'it''s' -- a comment", [("b", 0)]),
        ("len(onscreen) = 1 and onscreen[1].end_s = 1", [("a", 0)]),
        ("margin = (select max(margin) from manifest)", [("b", 0)]),
        ("false", []),
    ],
    ids=["none", "threshold", "a value that is no binary fraction", "null", "any case", "comment", "nested", "subquery", "nothing"],
)
def test_the_rows_that_meet_a_condition(manifest: Path, where: str | None, expected: list[tuple[str, int]]) -> None:
    assert parts(selected(manifest, where)) == expected


def test_rows_come_back_with_the_schema_and_their_values(manifest: Path) -> None:
    batches = list(selected(manifest))
    assert all(batch.schema == schema() for batch in batches)
    assert pa.Table.from_batches(batches).to_pylist() == store.table_of(ROWS).to_pylist()


def test_columns_that_are_named_come_alone_and_in_that_order(manifest: Path) -> None:
    (batch,) = selected(manifest, "clip_id = 'b'", ["part_index", "speaker"])
    assert batch.to_pylist() == [{"part_index": 0, "speaker": "it's"}]
    assert batch.schema.names == ["part_index", "speaker"]


def test_a_column_that_an_older_manifest_lacks_is_null(manifest: Path) -> None:
    table = pq.read_table(manifest)
    pq.write_table(table.drop_columns(["resynced_path", "margin", "onscreen", "similarity", "is_vfr"]), manifest)
    assert pa.Table.from_batches(selected(manifest, "resynced_path IS NULL AND onscreen IS NULL")).schema == schema()
    assert parts(selected(manifest, "margin > 0.1")) == []
    (batch,) = selected(manifest, "clip_id = 'b'", ["similarity", "clip_id"])
    assert batch.to_pylist() == [{"similarity": None, "clip_id": "b"}]


def test_a_column_of_the_users_own_can_be_used_and_asked_for(manifest: Path) -> None:
    table = pq.read_table(manifest)
    pq.write_table(table.append_column("mood", pa.array(["sad", "gay", "sad"])), manifest)
    assert parts(selected(manifest, "mood = 'gay'")) == [("a", 1)]
    (batch,) = selected(manifest, "mood = 'gay'", ["mood"])
    assert batch.to_pylist() == [{"mood": "gay"}]
    assert next(selected(manifest)).schema == schema()


def test_rows_keep_their_order_over_many_row_groups_and_threads(tmp_path: Path) -> None:
    manifest = written(tmp_path / "m.parquet", [{"clip_id": f"{i:06d}", "part_index": i % 7} for i in range(15_000)])
    found = [name for name, _ in parts(selected(manifest, "part_index <> 3", ["clip_id", "part_index"]))]
    assert found == [f"{i:06d}" for i in range(15_000) if i % 7 != 3]
    flags = [flag for piece in is_met(manifest, "part_index <> 3") for flag in piece.to_pylist()]
    assert flags == [i % 7 != 3 for i in range(15_000)]


def test_where_a_condition_is_neither_true_nor_false_it_is_not_met(manifest: Path) -> None:
    assert [flag for piece in is_met(manifest, "margin > 0.3") for flag in piece.to_pylist()] == [False, False, True]


@pytest.mark.parametrize("name", ["m[1].parquet", "m*.parquet", "m?.parquet", "it's.parquet", 'a "b" c.parquet'])
def test_the_name_of_the_file_is_no_pattern_and_no_sql(tmp_path: Path, name: str) -> None:
    written(tmp_path / "m1.parquet", [])
    assert len(parts(selected(written(tmp_path / name)))) == 3


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("margn > 0.3", "unknown column 'margn'; did you mean 'margin'?"),
        ("manifest.margn > 0.3", "unknown column 'margn'; did you mean 'margin'?"),
        ("margin >", "the condition 'margin >' cannot be carried out: syntax error"),
        (" ", "the condition is empty"),
        ("sum(margin) > 1", "cannot contain aggregates"),
        ("speaker > 3", "Cannot compare values of type VARCHAR"),
        ("speaker", "Could not convert string 'x' to BOOL"),
        ("speaker::int > 3", "Could not convert string 'x' to INT"),
        ("true); copy (select 1) to 'out.csv'; select (1", "it is more than one statement"),
        ("margin in (select * from read_csv('/etc/hostname'))", "disabled"),
        ("margin in (select * from read_csv('beside.csv'))", "disabled"),
    ],
    ids=[
        "column",
        "column of the table",
        "syntax",
        "empty",
        "aggregate",
        "types",
        "no condition",
        "while reading",
        "two",
        "other file",
        "beside",
    ],
)
def test_a_condition_that_cannot_be_carried_out_is_refused_in_a_sentence(
    manifest: Path, where: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(manifest.parent)
    Path("beside.csv").write_text("1\n")
    with pytest.raises(UsageError) as raised:
        list(selected(manifest, where))
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)
    with pytest.raises(UsageError):
        list(is_met(manifest, where))


def test_an_unknown_column_asked_for_is_refused_with_the_nearest(manifest: Path) -> None:
    with pytest.raises(UsageError, match="unknown column 'margn'; did you mean 'margin'"):
        selected(manifest, columns=["margn"])


def test_a_missing_manifest_is_refused_before_a_row_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no manifest"):
        selected(tmp_path / "no.parquet")


def test_a_query_of_our_own_sees_the_manifest(manifest: Path) -> None:
    assert query(manifest, "SELECT count(*), max(part_index) FROM manifest") == [(3, 1)]
