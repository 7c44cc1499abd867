from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from syncqc.cli.main import main
from syncqc.engine.plan import Plan
from syncqc.train import pack
from syncqc.train.cache import CacheShape

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))

from made_tracks import made_plan

real_plan = pack.cache_plan


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files that the made plan reads by their names; the shapes that were asked for are in ``shapes``."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a", "bb", "faceless"):
        (folder / f"{name}.mp4").touch()

    def made(shape: CacheShape, **settings: object) -> Plan:
        with (tmp_path / "shapes").open("a") as shapes:
            shapes.write(f"{shape.height_px}x{shape.width_px}\n")
        return made_plan(int(str(settings["crf"] or 22)))

    monkeypatch.setattr(pack, "cache_plan", made)
    monkeypatch.chdir(tmp_path)
    return folder


def about() -> dict[str, object]:
    known: dict[str, object] = json.loads(Path("mouths/about.json").read_text())
    return known


def test_a_folder_becomes_a_cache_and_a_closing_line(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "videos", "--out", "mouths", "--max-failures", "0.5"]) == 0
    told = capsys.readouterr()
    last = told.out.splitlines()[-1]
    assert last.startswith("3 clips, 6 face tracks, 9 s, ")
    assert "KB/s of crops, " in last
    assert "1 clips gave nothing" in last
    assert last.endswith("; mouths")
    assert "no_face" in told.out
    assert "engine: local (3 files" in told.err
    made_by, settings = about()["made_by"], about()["settings"]
    assert isinstance(made_by, dict)
    assert isinstance(settings, dict)
    assert (made_by["engine"], settings["source"], settings["keep_crops.crf"]) == ("local", str(videos), 22)
    capsys.readouterr()
    assert main(["cache", "videos", "--out", "mouths", "--max-failures", "0.5"]) == 0
    assert capsys.readouterr().out == "mouths is already complete: 3 clips, 6 face tracks\n"


def test_too_many_clips_that_give_nothing_end_with_one(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "videos", "--out", "mouths"]) == 1
    assert "33.3% of the files gave nothing, more than --max-failures 0.1" in capsys.readouterr().err
    assert about()["n_tracks"] == 6


def test_clips_that_all_give_nothing_make_an_empty_cache_and_say_so(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "bb"):
        (videos / f"{name}.mp4").unlink()
    assert main(["cache", "videos", "--out", "mouths"]) == 1
    assert "1 clips, 0 face tracks, 0 s, 0.0 MB; 1 clips gave nothing" in capsys.readouterr().out


def test_the_crops_have_room_around_what_the_network_sees(videos: Path) -> None:
    main(["cache", "videos", "--out", "mouths", "--max-failures", "1"])
    main(["cache", "videos", "--out", "large", "--max-failures", "1", "--net", "ic-syncnet.base"])
    assert Path("shapes").read_text().split() == ["72x128", "192x342"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--engine", "rey"], "unknown engine 'rey'; did you mean 'ray'"),
        (["--net", "ic-syncnet.smal"], "unknown network 'ic-syncnet.smal'; did you mean 'ic-syncnet.small'"),
        (["--detector", "centreface"], "unknown detector 'centreface'; did you mean 'centerface'"),
        (["--detector", "insightface:nowhere"], "nowhere"),
        (["--crf", "60"], "--crf must be from 0 to 51, not 60"),
        (["--out", "videos"], "videos holds something else than a packed crop cache"),
        (["--out", "videos/a.mp4"], "videos/a.mp4 is a file; --out must name a folder"),
        (["--workers", "0"], "--workers"),
    ],
    ids=lambda value: "".join(value)[2:24] if isinstance(value, list) else "",
)
def test_a_wrong_command_stops_before_any_work(videos: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str) -> None:
    assert main(["cache", "videos", "--out", "mouths", *options]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("engine: ")]
    assert sentence in line
    assert not Path("mouths/about.json").exists()
    assert list(Path().rglob("crops-*")) == []


def test_another_quality_is_refused_by_name(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["cache", "videos", "--out", "mouths", "--max-failures", "1"])
    assert main(["cache", "videos", "--out", "mouths", "--crf", "30"]) == 2
    assert "keep_crops.crf 22 -> 30" in capsys.readouterr().err
    assert main(["cache", "videos", "--out", "mouths", "--crf", "30", "--restart", "--max-failures", "1"]) == 0


def test_help_shows_the_defaults_of_the_stages(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["cache", "--help"]) == 0
    told = capsys.readouterr().out
    assert [text for text in ("centerface", "(22)", "ic-syncnet.small", "one per core") if text not in told] == []
    assert real_plan(CacheShape()).settings()["keep_crops.crf"] == 22
