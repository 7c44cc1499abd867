from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from syncqc.errors import UsageError
from syncqc.report.compare_made_by import Fact, made_by, notes, shortened

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
        ({"resync": {}}, "NEW tells of clips that were put right"),
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


@pytest.mark.parametrize(
    ("path", "expected"), [("m.parquet", "m.parquet"), ("r/m.parquet", "r/m.parquet"), ("/home/me/r/m.parquet", "…/r/m.parquet")]
)
def test_paths_are_shortened_to_two_names(path: str, expected: str) -> None:
    assert shortened(path) == expected
