from __future__ import annotations

from pathlib import Path

import pytest

from syncqc.cli.places import check_file, make_folder, refuse_present, write_text
from syncqc.errors import UsageError


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("figures.txt", "--out must end in .json, not figures.txt"),
        ("figures", "--out must end in .json, not figures"),
        ("folder.json", "folder.json is a folder"),
        ("nowhere/figures.json", "there is no folder nowhere to write figures.json into"),
        ("file/figures.json", "there is no folder file to write"),
    ],
)
def test_a_place_for_a_file_is_refused(out: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.json").mkdir()
    Path("file").touch()
    with pytest.raises(UsageError, match=sentence):
        check_file(Path(out), ".json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.json"]


def test_a_place_for_a_file_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    check_file(tmp_path / "old.json", ".json")
    check_file(tmp_path / "new.json", ".json")
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]


def test_an_input_is_no_place_to_write_to_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("{}")
    (tmp_path / "link.json").symlink_to(tmp_path / "in.json")
    for name, said in (("--figure", "choose another --figure"), ("the page", "choose another name for the page")):
        with pytest.raises(UsageError, match=f"link.json is an input; {said}"):
            check_file(tmp_path / "link.json", ".json", name=name, inputs=[tmp_path / "no.json", tmp_path / "in.json"])


def test_what_is_there_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "old.json").touch()
    refuse_present(tmp_path / "old.json", force=True)
    refuse_present(tmp_path / "new.json", force=False)
    with pytest.raises(UsageError, match=r"old.json is already there; --force replaces it"):
        refuse_present(tmp_path / "old.json", force=False)


def test_half_a_character_is_written_as_a_question_mark(tmp_path: Path) -> None:
    write_text(tmp_path / "a.html", "\udcff ü")
    assert (tmp_path / "a.html").read_bytes() == b"? \xc3\xbc"


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    for ask in (lambda: check_file(tmp_path / "a.json", ".json"), lambda: make_folder(tmp_path / "run")):
        with pytest.raises(UsageError, match=f"cannot write to {tmp_path}.*: No space left on device"):
            ask()


def test_a_folder_is_made_with_those_around_it(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_in_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UsageError, match=f"cannot make the folder {folder}"):
            make_folder(folder)


def test_text_is_written_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "a.json"
    write_text(out, "old")
    assert out.read_text() == "old"
    monkeypatch.setattr("syncqc.manifest.aside.os.fsync", full)
    with pytest.raises(UsageError, match=f"cannot write {out}: No space left on device"):
        write_text(out, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert out.read_text() == "old"
