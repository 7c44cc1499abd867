from __future__ import annotations

import pyarrow as pa
import pytest

from syncqc.errors import Failure
from syncqc.manifest import columns
from syncqc.manifest.columns import COLUMNS, TRACKS_SCHEMA, Column

WRITERS = {
    "filter",
    "resync",
    "list",
    "read",
    "find_faces",
    "listen",
    "score",
    "pool",
    "any",
    "sound_traces",
    "find_ghosts",
    "judge_ghosts",
}

ids = [column.name for column in COLUMNS]


def test_every_column_of_the_module_is_in_the_schema_once() -> None:
    defined = [value for value in vars(columns).values() if isinstance(value, Column)]
    assert sorted(column.name for column in defined) == sorted(column.name for column in COLUMNS)
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)


def test_names_are_their_constants() -> None:
    named = {name.lower(): value.name for name, value in vars(columns).items() if isinstance(value, Column)}
    assert named == {name: name for name in named}


@pytest.mark.parametrize("column", COLUMNS, ids=ids)
def test_a_column_says_what_it_means_and_who_writes_it(column: Column) -> None:
    assert len(column.meaning) > 10
    assert column.by in WRITERS


@pytest.mark.parametrize("column", COLUMNS, ids=ids)
def test_a_flag_reads_as_a_sentence(column: Column) -> None:
    is_sentence = bool(set(column.name.split("_")) & {"is", "has", "leak"}) and not column.name.endswith(("_reason", "_risk"))
    assert is_sentence == pa.types.is_boolean(column.type)


@pytest.mark.parametrize("column", [c for c in COLUMNS if "offset" in c.name and c.name.endswith(("_frames", "_ms"))], ids=lambda c: c.name)
def test_every_offset_says_its_sign(column: Column) -> None:
    assert "> 0: the sound comes early" in column.meaning


def test_times_are_doubles_so_that_long_files_keep_their_images() -> None:
    for column in COLUMNS:
        if column.name.endswith("_s"):
            assert column.type == pa.float64(), column.name


def test_the_schema_carries_the_meanings() -> None:
    schema = columns.schema()
    assert schema.names == [column.name for column in COLUMNS]
    field = schema.field("offset_frames")
    assert field.type == pa.int32()
    assert b"sound comes early" in field.metadata[b"meaning"]
    assert field.metadata[b"by"] == b"score"


def test_every_column_may_be_null() -> None:
    # "Not measured" is null in any column, so a row of nothing must be a legal row.
    empty = pa.Table.from_pylist([dict.fromkeys(ids)], schema=columns.schema())
    assert empty.num_rows == 1
    assert all(empty.column(name).null_count == 1 for name in ids)


def test_a_filled_row_comes_back_as_it_was() -> None:
    row: dict[str, object] = dict.fromkeys(ids)
    row |= {
        "clip_id": "a/b c", "offset_frames": -3, "offset_ms": -120.0, "is_vfr": False, "start_s": 1799.96,
        "onscreen": [{"start_s": 0.0, "end_s": 2.5}], "similarity": [None, 0.25, 0.5], "failure": str(Failure.SILENT),
    }  # fmt: skip
    assert pa.Table.from_pylist([row], schema=columns.schema()).to_pylist() == [row]


def test_a_line_of_the_tracks_sidecar_has_one_box_and_five_points() -> None:
    line = {
        "clip_id": "a", "part_index": 0, "track_index": 1, "image": 12,
        "box_px": [1.0, 2.0, 3.0, 4.0], "landmarks_px": [float(i) for i in range(10)], "confidence": 0.5,
    }  # fmt: skip
    assert pa.Table.from_pylist([line], schema=TRACKS_SCHEMA).to_pylist() == [line]
    with pytest.raises(pa.ArrowInvalid):
        pa.Table.from_pylist([line | {"box_px": [1.0, 2.0, 3.0]}], schema=TRACKS_SCHEMA)
