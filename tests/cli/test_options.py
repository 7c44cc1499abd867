from __future__ import annotations

from pathlib import Path

import pytest

from syncqc.cli.options import LayoutOption, limits_of, listing_of, read_from
from syncqc.datasets.layout import LAYOUTS
from syncqc.datasets.listing import FOLDER, Listing
from syncqc.engine.isolate import Limits

GIVEN = {
    "nothing": ((None, None), Limits()),
    "time alone": ((7.0, None), Limits(time_limit_s=7.0)),
    "both": ((7.0, 0.5), Limits(time_limit_s=7.0, memory_limit_gb=0.5)),
}


@pytest.mark.parametrize(("given", "limits"), GIVEN.values(), ids=GIVEN)
def test_limits_that_are_not_given_are_the_default_ones(given: tuple[float | None, float | None], limits: Limits) -> None:
    assert limits_of(*given) == limits


def test_the_settings_know_whole_paths_wherever_the_command_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nothing = dict.fromkeys(("audio_root", "segments", "chunks", "split", "layout"))
    assert read_from(Path("clips"), None, Listing()) == {"source": str(tmp_path.resolve() / "clips"), **nothing}
    assert read_from(Path("clips"), Path("aac"), Listing())["audio_root"] == str(tmp_path.resolve() / "aac")


def test_the_settings_know_the_layout_and_what_was_found_beside_the_clips() -> None:
    listing = Listing(layout="avspeech", recognised_by="the list a.csv", found={"segments": "/here/a.csv"})
    settings = read_from(Path("clips"), None, listing, "train")
    assert (settings["layout"], settings["split"], settings["segments"]) == ("avspeech", "train", "/here/a.csv")


def test_the_layout_is_told_where_nobody_named_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "dev/mp4/id00012/abc/00001.mp4"
    clip.parent.mkdir(parents=True)
    clip.touch()
    (found,) = listing_of(tmp_path, None).clips
    assert (found.dataset, found.speaker) == ("voxceleb2", "id00012")
    told = capsys.readouterr().err
    assert told == f"layout: voxceleb2 (recognised by the speakers' folders in {tmp_path}/dev/mp4)\n"
    listing_of(tmp_path, None, "voxceleb2")
    assert listing_of(tmp_path, None, FOLDER).clips[0].dataset is None
    assert capsys.readouterr().err == ""


def test_the_layouts_in_the_help_are_those_there_are() -> None:
    told = LayoutOption.__metadata__[0].help  # type: ignore[attr-defined]
    assert set(told.partition(": ")[2].replace(",", "").split()) >= {FOLDER, *(layout.name for layout in LAYOUTS)}
