from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from syncqc.errors import UsageError
from syncqc.report.compare_made_by import Fact, made_by, notes

sys.path.insert(0, str(Path(__file__).parent))

from made_comparison import MADE_BY, row, write_manifest


def manifests(folder: Path, old: dict[str, Any], new: dict[str, Any]) -> list[Path]:
    return [write_manifest(folder / f"{name}.parquet", [row("a")], made) for name, made in (("old", old), ("new", new))]


def test_what_differs_comes_first_and_is_marked(tmp_path: Path) -> None:
    new = MADE_BY | {"ffmpeg": "8.1", "settings": {"model": "/weights/of/mine/best.safetensors", "weights_sha256": "b" * 64, "score.w": 15}}
    assert made_by(*manifests(tmp_path, MADE_BY, new)) == (
        Fact("model", "small", "…/mine/best.safetensors", True),
        Fact("weights (SHA-256)", "aaaaaaaaaaaa", "bbbbbbbbbbbb", True),
        Fact("ffmpeg", "not there", "8.1", True),
        Fact("syncqc", "0.1.0", "0.1.0", False),
        Fact("version of the columns", "2", "2", False),
        Fact("score.w", "15", "15", False),
    )


def test_hashes_that_begin_alike_still_differ(tmp_path: Path) -> None:
    new = MADE_BY | {"settings": MADE_BY["settings"] | {"weights_sha256": "a" * 63 + "b"}}
    facts = made_by(*manifests(tmp_path, MADE_BY, new))
    assert [fact.label for fact in facts if fact.differs] == ["weights (SHA-256)"]


def test_a_stages_copy_of_a_setting_is_not_said_twice(tmp_path: Path) -> None:
    settings = {"keep_similarity": True, "score.keep_similarity": True, "model": "small", "score.model": "other"}
    labels = [fact.label for fact in made_by(*manifests(tmp_path, {"settings": settings}, {"settings": settings}))]
    assert labels == ["model", "keep_similarity", "score.model"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, None),
        ({"filter": [{"manifest": "m.parquet", "p": 0.9}]}, "NEW went through a filter before"),
        ({"resync": {}}, "NEW was written by `syncqc resync`: its offsets are those from before the repair."),
        ({"settings": {"weights_sha256": "c"}}, "The weights differ"),
    ],
    ids=["alike", "filtered", "put right", "other weights"],
)
def test_notes_say_what_a_reader_must_know(tmp_path: Path, more: dict[str, Any], expected: str | None) -> None:
    said = notes(*manifests(tmp_path, MADE_BY, MADE_BY | more))
    assert len(said) == (expected is not None)
    assert expected is None or said[0].startswith(expected)


def test_manifests_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    old, new = manifests(tmp_path, MADE_BY, MADE_BY | {"schema_version": 99})
    with pytest.raises(UsageError, match=r"new.parquet holds version 99 of the columns, this syncqc knows \d+; use a newer syncqc"):
        made_by(old, new)
    (tmp_path / "old.parquet.parts").mkdir()
    (tmp_path / "old.parquet.parts" / "rows-1.parquet").touch()
    with pytest.raises(UsageError, match=r"old.parquet is not finished; run its `syncqc score` again first"):
        made_by(old, old)
    with pytest.raises(UsageError, match="there is no manifest"):
        made_by(tmp_path / "nothing.parquet", old)


def test_paths_lose_their_folders_wherever_they_stand(tmp_path: Path) -> None:
    lists = {"audio": ["/home/anna/a/b", 3], "more": {"root": "~/secret/a/b"}, "w": "15"}
    facts = made_by(*manifests(tmp_path, MADE_BY | {"settings": lists}, MADE_BY))
    assert {fact.label: fact.old for fact in facts} | {"syncqc": "", "schema_version": ""} == {
        "model": "not there", "weights (SHA-256)": "not there", "syncqc": "", "version of the columns": "2", "schema_version": "",
        "audio": '["…/a/b", 3]', "more": '{"root": "…/a/b"}', "score.w": "not there", "w": "15",
    }  # fmt: skip


@pytest.mark.parametrize(
    "known", [[], 3, {"settings": 5, "filter": "p", "resync": None}, {"filter": [7, {"p": "<b>"}]}, {"schema_version": "newest"}],
    ids=str,
)  # fmt: skip
def test_metadata_of_any_shape_becomes_text(tmp_path: Path, known: Any) -> None:
    places = manifests(tmp_path, known, MADE_BY)
    labels = {fact.label: fact.new for fact in made_by(*places)}
    assert labels["syncqc"] == "0.1.0"
    assert notes(*places)[-1].startswith("The weights differ")


def test_half_a_character_is_spelled_out(tmp_path: Path) -> None:
    facts = made_by(*manifests(tmp_path, MADE_BY | {"settings": {"model": "\ud800", "\udcff": "\udc80"}}, MADE_BY))
    assert {fact.label: fact.old for fact in facts}.items() >= {"model": "\\ud800", "\\udcff": "\\udc80"}.items()


def test_two_runs_that_ended_at_other_times_are_not_different(tmp_path: Path) -> None:
    facts = made_by(
        *manifests(tmp_path, MADE_BY | {"finished_at": "2026-01-01T10:00:00Z"}, MADE_BY | {"finished_at": "2026-01-02T10:00:00Z"})
    )
    assert [fact for fact in facts if fact.differs] == []
    assert Fact("finished", "2026-01-01T10:00:00Z", "2026-01-02T10:00:00Z", False) in facts
