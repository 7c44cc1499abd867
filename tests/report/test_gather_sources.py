from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from syncqc.errors import UsageError
from syncqc.report.gather_sources import known_of, made_by, settings_of

sys.path.insert(0, str(Path(__file__).parent))

from made_manifest import write_manifest

KNOWN = {
    "schema_version": 2, "syncqc": "0.1.0", "pyav": "18.1.0", "ffmpeg": "8.1.2", "python": "3.11.7", "engine": "local",
    "settings": {
        "model": "ic-syncnet.small", "weights_sha256": "6332dfe065b23e74", "source": "/home/anna/data/lists/dev.csv", "w": 15,
        "audio_root": "/home/anna/secret/aac", "layout": None, "keep_similarity": False,
    },
    "filter": [{"manifest": "m.parquet", "syncqc": "0.1.0", "p": 0.9, "offscreen": 0.2, "artefacts": ["vfr"], "per": "row"}],
    "resync": {"mode": "bake", "verify": None},
}  # fmt: skip


def written(path: Path, known: object) -> Path:
    write_manifest(path, [], known)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def test_what_is_recorded_is_said_in_labelled_text_and_paths_lose_their_folders(tmp_path: Path) -> None:
    manifest = written(tmp_path / "m.parquet", KNOWN)
    assert made_by(manifest, known_of(manifest)) == {
        "scored": "lists/dev.csv", "model": "ic-syncnet.small", "weights": "sha256 6332dfe065b2", "syncqc": "0.1.0", "schema": "2",
        "libraries": "Python 3.11.7, PyAV 18.1.0, FFmpeg 8.1.2", "engine": "local", "file of": "2023-11-14 22:13 UTC",
        "filter 1": "manifest m.parquet, syncqc 0.1.0, p 0.9, offscreen 0.2, artefacts vfr, per row", "resync": "mode bake",
        "settings": "w 15, audio_root secret/aac, keep_similarity no",
    }  # fmt: skip
    assert list(made_by(manifest, known_of(manifest)))[:2] == ["scored", "model"]


def test_when_a_run_ended_is_said_as_it_is_recorded(tmp_path: Path) -> None:
    manifest = written(tmp_path / "m.parquet", {"finished_at": "2026-01-01T10:00:00Z"})
    assert made_by(manifest, known_of(manifest)) == {"finished": "2026-01-01T10:00:00Z", "file of": "2023-11-14 22:13 UTC"}


@pytest.mark.parametrize("known", [[], 3, {}, {"settings": 5, "filter": "p", "resync": None}, {"filter": [7, {"p": "<b>"}]}])
def test_metadata_of_any_shape_becomes_text(tmp_path: Path, known: object) -> None:
    manifest = written(tmp_path / "m.parquet", known)
    found = made_by(manifest, known_of(manifest))
    assert settings_of(known_of(manifest)) == {}
    assert found["file of"] == "2023-11-14 22:13 UTC"
    assert all(isinstance(text, str) for text in found.values())


def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no manifest"):
        known_of(tmp_path / "no.parquet")
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(UsageError, match="is not a manifest"):
        known_of(tmp_path / "text.parquet")
