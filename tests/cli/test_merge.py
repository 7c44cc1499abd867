from __future__ import annotations

from pathlib import Path

import pytest

from syncqc.cli.main import main
from syncqc.manifest import store
from syncqc.manifest.columns import SCHEMA_VERSION, TRACKS_SCHEMA, schema


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def manifest(name: str, *clip_ids: str, version: int = SCHEMA_VERSION, **settings: object) -> str:
    path = Path(name)
    made_by = {"syncqc": "1", "schema_version": version, "settings": {"score.w": 15, "shard": None} | settings}
    store.write_table(Path("rows"), store.table_of([{"clip_id": clip_id, "part_index": 0} for clip_id in clip_ids]))
    store.write_table(Path("faces"), store.lines_table([{"clip_id": clip_id, "image": 0} for clip_id in clip_ids], TRACKS_SCHEMA))
    store.merge([Path("rows")], path, schema(), made_by)
    store.merge([Path("faces")], store.tracks_path(path), TRACKS_SCHEMA, made_by)
    return name


def clip_ids(path: Path) -> list[str]:
    return list(store.read_clip_ids([path]))


def test_shares_become_one_sorted_manifest_with_its_faces(capsys: pytest.CaptureFixture[str]) -> None:
    one, two = manifest("1.parquet", "a", "d", shard="1/2"), manifest("2.parquet", "b", shard="2/2")
    assert main(["merge", one, two, "--out", "m.parquet"]) == 0
    assert clip_ids(Path("m.parquet")) == clip_ids(store.tracks_path(Path("m.parquet"))) == ["a", "b", "d"]
    assert store.provenance(Path("m.parquet"))["settings"] == {"score.w": 15, "shard": None}
    assert capsys.readouterr() == ("2 manifests, 3 rows; m.parquet\n", "")


def test_shares_that_nobody_brought_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge", manifest("1.parquet", "a", shard="1/4"), manifest("3.parquet", "b", shard="3/4"), "--out", "m.parquet"]) == 0
    assert capsys.readouterr().err.splitlines() == [f"warning: share {i}/4 is not among them" for i in (2, 4)]


@pytest.mark.parametrize(
    ("second", "options", "sentence"),
    [
        (
            lambda: manifest("2.parquet", "b", **{"score.w": 20}),
            [],
            "1.parquet and 2.parquet were made with different settings: score.w 15 and 20",
        ),
        (
            lambda: manifest("2.parquet", "b", version=1),
            [],
            "2.parquet holds version 1 of the manifest's columns, this syncqc merges version 2; score it again",
        ),
        (lambda: manifest("2.parquet", "b", version=99), [], "this syncqc merges version 2; use a newer syncqc"),
        (lambda: manifest("2.parquet", "a"), [], "the clip 'a' is in both 1.parquet and 2.parquet"),
        (lambda: "nowhere.parquet", [], "there is no manifest nowhere.parquet"),
        (lambda: manifest("2.parquet", "b"), ["--out", "2.parquet", "--force"], "2.parquet is one of the manifests to merge"),
        (lambda: manifest("2.parquet", "b"), ["--out", "m.csv"], "must name a .parquet file"),
        (lambda: manifest("2.parquet", "b"), ["--out", "no/m.parquet"], "there is no folder no"),
    ],
    ids=["settings", "older columns", "newer columns", "common clip", "missing", "onto itself", "suffix", "folder"],
)
def test_what_cannot_be_merged_is_refused_in_a_sentence(
    second: object, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["merge", manifest("1.parquet", "a"), second(), *options]) == 2  # type: ignore[operator]
    assert sentence in capsys.readouterr().err
    assert not Path("manifest.parquet").exists()


def test_a_share_under_way_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    one = manifest("1.parquet", "a")
    Path("1.parquet.parts").mkdir()
    Path("1.parquet.parts/rows-000001.parquet").touch()
    assert main(["merge", one]) == 2
    assert "1.parquet is not finished" in capsys.readouterr().err


def test_a_manifest_that_is_there_is_replaced_only_when_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    one = manifest("1.parquet", "a")
    manifest("m.parquet", "old")
    assert main(["merge", one, "--out", "m.parquet"]) == 2
    assert "m.parquet is already there; --force replaces it" in capsys.readouterr().err
    assert clip_ids(Path("m.parquet")) == ["old"]
    assert main(["merge", one, "--out", "m.parquet", "--force"]) == 0
    assert clip_ids(Path("m.parquet")) == ["a"]


def filtered(source: str, name: str, *options: str) -> str:
    assert main(["filter", source, "--out", name, "--p", "0", "--where", "part_index = 0", *options]) == 0
    return name


def good(name: str, *clip_ids: str) -> str:
    path = Path(manifest(name, *clip_ids))
    numbers = {"offset_frames": 0, "probability_at_offset": 0.95, "offscreen_ratio": 0.1, "start_s": 0.0, "end_s": 5.0}
    rows = [row | numbers | {"is_chosen_track": True} for row in store.read_rows(path)]
    store.write_table(Path("rows"), store.table_of(rows))
    store.merge([Path("rows")], path, schema(), store.provenance(path))
    return name


def test_filtered_shares_become_one_with_the_faces_of_what_they_were_made_from(capsys: pytest.CaptureFixture[str]) -> None:
    one, two = filtered(good("1.parquet", "a", "c"), "1f.parquet"), filtered(good("2.parquet", "b"), "2f.parquet")
    assert main(["merge", one, two, "--out", "m.parquet"]) == 0
    assert clip_ids(Path("m.parquet")) == clip_ids(store.tracks_path(Path("m.parquet"))) == ["a", "b", "c"]
    assert store.TRACKS_KEY not in store.provenance(Path("m.parquet"))


def test_shares_that_went_through_different_rules_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    one, two = filtered(good("1.parquet", "a"), "1f.parquet"), filtered(good("2.parquet", "b"), "2f.parquet", "--max-offset", "3")
    assert main(["merge", one, two, "--out", "m.parquet"]) == 2
    assert "1f.parquet and 2f.parquet went through different rules of `syncqc filter`" in capsys.readouterr().err
