from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_files import make

from syncqc.datasets.folder import list_clips
from syncqc.datasets.lists import LIST_COLUMNS, clips_in_list, is_list
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip
from syncqc.manifest.store import PROVENANCE_KEY, storable, table_of

FULL = {
    "path": "v/a.mp4",
    "audio_path": "s/a.wav",
    "dataset": "vox",
    "speaker": "id1",
    "clip_id": "one",
    "split": "dev",
    "audio_start_s": 61.25,
    "dataset_offset_frames": -3,
    "listed_face_x": 0.25,
    "listed_face_y": 1.0,
}
BARE = {**dict.fromkeys(FULL), "path": "v/b.mp4"}


def write(root: Path, lines: list[dict[str, object]], suffix: str) -> Path:
    path = make(root, "v/a.mp4", "v/b.mp4", "s/a.wav") / f"l{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(lines), path)
    else:
        rows = [",".join("" if value is None else str(value) for value in line.values()) for line in lines]
        path.write_text("\n".join([",".join(lines[0]), *rows]) + "\n")
    return path


def test_every_field_of_a_clip_is_a_column() -> None:
    assert set(LIST_COLUMNS) == set(asdict(Clip("", "")))
    assert LIST_COLUMNS[0] == "path"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_become_the_fields_of_clips(suffix: str, tmp_path: Path) -> None:
    source = write(tmp_path, [FULL, BARE], suffix)
    assert is_list(source)
    bare, full = list_clips(source).clips[1], list_clips(source).clips[0]
    assert asdict(full) == {**FULL, "path": str(tmp_path / "v/a.mp4"), "audio_path": str(tmp_path / "s/a.wav")}
    assert bare == Clip("v/b", str(tmp_path / "v/b.mp4"))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_paths_are_found_beside_the_list_or_under_the_current_folder(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "here", "v/c.mp4")
    monkeypatch.chdir(tmp_path / "here")
    source = write(tmp_path / "there", [{"path": name} for name in ("v/a.mp4", "v/c.mp4", "v/gone.mp4")], suffix)
    assert [clip.path for clip in clips_in_list(source)] == [
        str(tmp_path / "there/v/a.mp4"),
        "v/c.mp4",
        str(tmp_path / "there/v/gone.mp4"),
    ]


WRONG = {
    "no number": ({"audio_start_s": "soon", "audio_path": "s/a.wav"}, "audio_start_s is 'soon', which is no number"),
    "infinite": ({"audio_start_s": "inf", "audio_path": "s/a.wav"}, "audio_start_s is infinite"),
    "start of no sound": ({"audio_start_s": "1"}, "audio_start_s speaks of the file of audio_path, and there is none"),
    "half an image": ({"dataset_offset_frames": "1.5"}, "dataset_offset_frames is 1.5, which is no whole number of images"),
    "pixels": ({"listed_face_x": "320", "listed_face_y": "0.5"}, "listed_face_x is 320, not a share of the picture"),
    "half a place": ({"listed_face_y": "0.5"}, "listed_face_x and listed_face_y need each other"),
}


@pytest.mark.parametrize(("values", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_told_with_its_line(values: dict[str, str], sentence: str, tmp_path: Path) -> None:
    for suffix, where in ((".csv", "line 3"), (".parquet", "row 2")):
        source = write(tmp_path, [{"path": "v/b.mp4", **dict.fromkeys(values)}, {"path": "v/a.mp4", **values}], suffix)
        with pytest.raises(UsageError, match=f"l{suffix}, {where}: {sentence}"):
            clips_in_list(source)


def test_whole_numbers_may_be_written_with_a_point(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("path,dataset_offset_frames\na.mp4,3.0\n")
    assert clips_in_list(tmp_path / "l.csv")[0].dataset_offset_frames == 3


def test_nan_is_nothing_in_parquet_and_no_number_in_csv(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": ["a.mp4"], "dataset_offset_frames": [float("nan")]}), tmp_path / "l.parquet")
    assert clips_in_list(tmp_path / "l.parquet")[0].dataset_offset_frames is None
    (tmp_path / "l.csv").write_text("path,dataset_offset_frames\na.mp4,nan\n")
    with pytest.raises(UsageError, match="which is no number"):
        clips_in_list(tmp_path / "l.csv")


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"paht": ["a.mp4"]}, "unknown column of l.parquet 'paht'; did you mean 'path'"),
        ({"speaker": ["x"]}, r"l\.parquet has no column 'path'$"),
        (None, r"l\.parquet is no Parquet file"),
    ],
    ids=["misspelt", "no path", "text"],
)
def test_a_wrong_parquet_is_one_sentence(table: dict[str, list[str]] | None, sentence: str, tmp_path: Path) -> None:
    if table is None:
        (tmp_path / "l.parquet").write_text("path\na.mp4\n")
    else:
        pq.write_table(pa.table(table), tmp_path / "l.parquet")
    with pytest.raises(UsageError, match=sentence):
        clips_in_list(tmp_path / "l.parquet")


def manifest(path: Path, rows: list[dict[str, object]], columns: list[str] | None = None) -> Path:
    table = table_of(rows)
    table = table if columns is None else table.select(columns)
    pq.write_table(table.replace_schema_metadata({PROVENANCE_KEY: b"{}"}), path, row_group_size=2)
    return path


def test_a_manifest_gives_each_clip_once_with_what_it_knows(tmp_path: Path) -> None:
    a = {**FULL, "path": str(tmp_path / "v/a.mp4"), "audio_path": str(tmp_path / "s/a.wav")}
    rows = [{**a, "part_index": part, "offset_frames": part} for part in range(3)]
    rows += [{"clip_id": "two", "path": str(tmp_path / "v/b.mp4"), "failure": "no_face"}, {**a, "part_index": 3}]
    clips = list_clips(manifest(tmp_path / "m.parquet", rows)).clips
    assert [asdict(clip) for clip in clips] == [a, {**dict.fromkeys(FULL), "clip_id": "two", "path": str(tmp_path / "v/b.mp4")}]


def test_an_older_manifest_lacks_columns_and_that_is_nothing(tmp_path: Path) -> None:
    source = manifest(tmp_path / "m.parquet", [{"clip_id": "a", "path": "/v/a.mp4", "speaker": "x"}], ["clip_id", "path", "speaker"])
    assert clips_in_list(source) == [Clip("a", "/v/a.mp4", speaker="x")]


def test_a_name_that_is_no_utf8_is_opened_from_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"m\xfcller.mp4")
    path.touch()
    (clip,) = clips_in_list(manifest(tmp_path / "m.parquet", [{"clip_id": storable(path.stem), "path": str(path)}]))
    assert Path(clip.path).exists()
    assert clip.clip_id == r"m\udcfcller"
