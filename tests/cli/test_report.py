from __future__ import annotations

import sys
from pathlib import Path

import pytest

from syncqc.cli.main import main
from syncqc.report.sheets import Sheet, SheetSettings

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from made_manifest import random_rows, write_manifest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with `m.parquet`, whose videos are not there."""
    monkeypatch.chdir(tmp_path)
    write_manifest(tmp_path / "m.parquet", random_rows(30))
    return tmp_path


def test_the_page_is_written_and_its_size_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "m.parquet", "--out", "page.html", "--title", "What <we> have"]) == 0
    page = (folder / "page.html").read_text(encoding="utf-8")
    said = capsys.readouterr()
    assert said.out == f"page.html: {len(page.encode()) / 1e6:.1f} MB\n"
    assert (
        "warning: no face is shown: faces and mouths are cut from stored landmarks, and there is no m.parquet.tracks.parquet;" in said.err
    )
    assert "<h1>What &lt;we&gt; have</h1>" in page
    assert "syncqc filter m.parquet --p 0.9 --offscreen 0.2 --out clean.parquet" in page
    assert sorted(path.name for path in folder.iterdir()) == ["m.parquet", "page.html"]


def test_several_manifests_stand_side_by_side(folder: Path) -> None:
    write_manifest(folder / "n.parquet", random_rows(20, seed=2, datasets=("gamma",)))
    assert main(["report", "m.parquet", "n.parquet", "--no-media"]) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<h1>Voice and lips: m.parquet, n.parquet</h1>" in page
    assert all(f"</span><bdi>{name}</bdi></th>" in page for name in ("alpha", "beta", "gamma"))


def test_without_media_there_is_no_face_and_no_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder / "m.parquet"), "--no-media"]) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert capsys.readouterr().err == ""
    body = page.split("<body>")[1].split("<script")[0]
    assert "<img" not in body
    assert "data:image" not in body
    assert "No clip was opened: there are no mouths and no waveforms." in body
    assert str(folder) not in page
    assert "/videos/" not in page
    assert "/home/anna" not in page
    assert "syncqc filter m.parquet " in body


def test_where_videos_are_and_how_many_are_shown_reaches_the_contact_sheets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def no_sheets(manifests: list[Path], settings: SheetSettings) -> tuple[Sheet, ...]:
        asked.append((manifests, settings))
        return ()

    monkeypatch.setattr("syncqc.report.sheets.sheets", no_sheets)
    assert main(["report", "m.parquet", "--moved", "/videos=clips", "--moved", "/a=b=c", "--thumbnails", "7"]) == 0
    assert asked == [([Path("m.parquet")], SheetSettings(n_cards=7, moved=(("/videos", "clips"), ("/a", "b=c"))))]


def test_the_home_folder_is_not_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: folder)
    assert main(["report", str(folder / "m.parquet")]) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert str(folder) not in page
    assert "syncqc filter ~/m.parquet --p 0.9" in page


def test_a_page_that_is_there_stays_without_force(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "report.html"
    out.write_text("mine")
    assert main(["report", "m.parquet", "--no-media"]) == 2
    assert "report.html is already there; --force replaces it" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main(["report", "m.parquet", "--no-media", "--force"]) == 0
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["no.parquet"], "there is no manifest no.parquet", id="no manifest"),
        pytest.param(["m.parquet", "m.parquet"], "m.parquet is named twice", id="twice"),
        pytest.param(["m.parquet", "--out", "m.parquet"], "m.parquet is an input; choose another --out", id="an input"),
        pytest.param(["m.parquet", "--out", "page.txt"], "--out must end in .html, not page.txt", id="no page"),
        pytest.param(["m.parquet", "--out", "no/page.html"], "there is no folder no to write page.html into", id="no folder"),
        pytest.param(["m.parquet", "--moved", "a"], "--moved is OLD=NEW, not 'a'", id="moved"),
        pytest.param(["m.parquet", "--no-media", "--moved", "a=b"], "--no-media opens no clip: leave out --moved", id="moved nothing"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_writes_nothing(
    arguments: list[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["m.parquet"]
