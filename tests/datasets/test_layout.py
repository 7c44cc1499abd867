from __future__ import annotations

from pathlib import Path

import pytest

from syncqc.datasets.layout import LAYOUTS, clips_of, layout_of
from syncqc.errors import UsageError


@pytest.fixture
def lrs3(tmp_path: Path) -> Path:
    for name in ("test/abc/00001", "test/abc/00002", "trainval/xyz/00001"):
        for kind in ("mp4", "txt"):
            path = tmp_path / "lrs3" / f"{name}.{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return tmp_path / "lrs3"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    (tmp_path / "plain" / "anna").mkdir(parents=True)
    (tmp_path / "plain" / "anna" / "1.mp4").touch()
    return tmp_path / "plain"


def test_each_layout_has_a_name_of_its_own_and_splits() -> None:
    assert [layout.name for layout in LAYOUTS] == ["lrs2", "lrs3"]
    assert all("test" in layout.splits for layout in LAYOUTS)


def test_a_split_of_a_set_gives_its_clips(lrs3: Path) -> None:
    layout = layout_of(lrs3)
    assert layout is not None
    assert layout.name == "lrs3"
    assert [clip.clip_id for clip in clips_of(lrs3, "test")] == ["test/abc/00001", "test/abc/00002"]


def test_any_other_source_gives_all_its_clips(plain: Path) -> None:
    assert layout_of(plain) is None
    assert layout_of(plain / "anna" / "1.mp4") is None
    assert [clip.clip_id for clip in clips_of(plain, None)] == ["anna/1"]
    assert [clip.clip_id for clip in clips_of(plain / "anna" / "1.mp4", None)] == ["1"]


def test_wrong_splits_are_one_sentence(lrs3: Path, plain: Path) -> None:
    with pytest.raises(UsageError, match="lrs3 is lrs3; choose one of its splits with --split: pretrain, trainval, test"):
        clips_of(lrs3, None)
    with pytest.raises(UsageError, match="unknown split of lrs3 'tets'; did you mean 'test'"):
        clips_of(lrs3, "tets")
    with pytest.raises(UsageError, match=r"plain is not laid out as a set that comes with splits \(lrs2, lrs3\); leave --split out"):
        clips_of(plain, "test")
    with pytest.raises(UsageError, match="there is no file or folder nowhere"):
        clips_of(Path("nowhere"), "test")


def test_clips_that_are_not_there_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clip = tmp_path / "mvlrs_v1" / "main" / "1" / "00001.mp4"
    clip.parent.mkdir(parents=True)
    clip.touch()
    (tmp_path / "test.txt").write_text("1/00001 NF\n1/00002 NF\n1/00003 MV\n")
    assert [one.speaker for one in clips_of(tmp_path, "test")] == ["1"]
    assert "2 of the 3 clips that the list of lrs2 test names are not there, the first is mvlrs_v1/main/1/00002" in caplog.text
