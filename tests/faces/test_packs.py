from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from syncqc.errors import UsageError
from syncqc.faces import packs
from syncqc.faces.packs import find_pack

Write = Callable[..., None]


@pytest.mark.parametrize(
    "place",
    ["models/buffalo_l", "models/buffalo_l/buffalo_l", "buffalo_l", "buffalo_l/buffalo_l"],
    ids=["as-insightface", "archive-in-its-own-folder", "flat", "flat-archive-in-its-own-folder"],
)
def test_a_pack_is_found_in_every_usual_place(tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "det_10g.onnx").touch()
    assert find_pack("buffalo_l", tmp_path) == tmp_path / place


def test_without_a_root_it_is_looked_for_where_insightface_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    pack = tmp_path / ".insightface" / "models" / "antelopev2"
    pack.mkdir(parents=True)
    (pack / "scrfd_10g_bnkps.onnx").touch()
    assert find_pack("antelopev2") == pack


def test_without_a_root_the_missing_pack_is_named_with_that_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match=rf"in {tmp_path}/\.insightface/models/buffalo_l; download"):
        find_pack("buffalo_l")


def test_a_given_root_is_the_only_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    pack = tmp_path / ".insightface" / "models" / "buffalo_l"
    pack.mkdir(parents=True)
    (pack / "det_10g.onnx").touch()
    with pytest.raises(UsageError, match="no detection network"):
        find_pack("buffalo_l", tmp_path / "elsewhere")


def test_a_missing_pack_says_where_it_looked_what_to_download_and_under_which_licence(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_pack("buffalo_l", tmp_path)
    sentence = str(caught.value)
    assert f"in {tmp_path}/models/buffalo_l and {tmp_path}/buffalo_l;" in sentence
    assert "/buffalo_l.zip by hand" in sentence
    assert "non-commercial research only" in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(("typed", "meant"), [("bufalo_l", "buffalo_l"), ("antelope_v2", "antelopev2"), ("my_pakc", "my_pack")])
def test_a_misspelt_pack_gets_the_nearest_name_published_or_present(tmp_path: Path, typed: str, meant: str) -> None:
    (tmp_path / "my_pack").mkdir()
    with pytest.raises(UsageError, match=f"unknown insightface pack '{typed}'; did you mean '{meant}'"):
        find_pack(typed, tmp_path)


def test_a_folder_of_ones_own_without_a_detector_says_what_a_pack_holds(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "w600k_r50.onnx").touch()
    with pytest.raises(UsageError, match=r"pack 'mine'.*holds one file det_\*\.onnx or scrfd\*\.onnx"):
        find_pack("mine", tmp_path)


def test_two_detectors_in_one_pack_are_an_error(tmp_path: Path) -> None:
    for name in ("det_10g.onnx", "det_500m.onnx"):
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match=r"more than one detection network \(det_10g\.onnx, det_500m\.onnx\)"):
        packs.detection_file(tmp_path)


@pytest.mark.parametrize(
    ("manifest", "file"),
    [
        pytest.param('{"manifest_version": 2, "tasks": {"detection": {"file": "faces.onnx"}}}', "faces.onnx", id="version-2"),
        pytest.param('{"manifest_version": 1, "tasks": {"detection": {"file": "faces.onnx"}}}', "det_10g.onnx", id="version-1-is-ignored"),
        pytest.param('{"manifest_version": 2, "tasks": {"detection": {"file": "gone.onnx"}}}', "det_10g.onnx", id="names-a-missing-file"),
        pytest.param('{"manifest_version": 2, "tasks": []}', "det_10g.onnx", id="other-shape"),
        pytest.param("[1, 2", "det_10g.onnx", id="not-json"),
    ],
)
def test_a_manifest_says_which_file_is_the_detector(tmp_path: Path, manifest: str, file: str) -> None:
    (tmp_path / "manifest.json").write_text(manifest, encoding="utf-8")
    for name in ("faces.onnx", "det_10g.onnx"):
        (tmp_path / name).touch()
    assert packs.detection_file(tmp_path) == tmp_path / file
