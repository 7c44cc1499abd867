from __future__ import annotations

import logging
from pathlib import Path

import pytest
from made_files import make

from syncqc.datasets.layout import LAYOUTS, clips_of, layout_of, list_source
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
    assert [layout.name for layout in LAYOUTS] == ["lrs2", "lrs3", "voxceleb2", "talkinghead1kh", "avspeech"]
    assert all(len(layout.splits) > 1 for layout in LAYOUTS)


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
    with pytest.raises(UsageError, match=r"plain is not laid out as a set that comes with splits \(lrs2, lrs3, .*\); leave --split out"):
        clips_of(plain, "test")
    with pytest.raises(UsageError, match="there is no file or folder nowhere"):
        clips_of(Path("nowhere"), "test")


def test_clips_that_are_not_there_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clip = tmp_path / "mvlrs_v1" / "main" / "1" / "00001.mp4"
    clip.parent.mkdir(parents=True)
    clip.touch()
    (tmp_path / "test.txt").write_text("1/00001 NF\n1/00002 NF\n1/00003 MV\n")
    assert [one.speaker for one in clips_of(tmp_path, "test")] == ["1"]
    assert "2 of the 3 clips that lists name are not there, the first is mvlrs_v1/main/1/00002" in caplog.text


SETS = {
    "lrs2": ("mvlrs_v1/main/1/00001.mp4", "mvlrs_v1/main/1/00001.txt"),
    "lrs3": ("test/abc/00001.mp4", "test/abc/00001.txt"),
    "voxceleb2": ("dev/mp4/id00012/21Uxsk56VDQ/00001.mp4", "test/mp4/id00017/xyz/00001.mp4"),
    "talkinghead1kh": ("train/cropped_clips/-7TMJtnhiPM_0000_S1202_E1607_L345_T26_R857_B538.mp4",),
    "avspeech": ("train/-7TMJtnhiPM_0030.000000-0033.500000.mp4",),
}


@pytest.mark.parametrize(("name", "files"), SETS.items(), ids=SETS)
def test_each_set_is_recognised_by_itself_and_told_in_one_line(
    name: str, files: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, *files)
    caplog.set_level(logging.INFO, logger="syncqc.datasets.layout")
    listing = list_source(tmp_path)
    assert [layout.name for layout in LAYOUTS if layout.recognises(tmp_path)] == [name]
    assert {clip.dataset for clip in listing.clips} == {name}
    assert [message for message in caplog.messages if message.startswith("layout:")] == [listing.told()]
    assert listing.told().startswith(f"layout: {name} (recognised by ")
    assert list_source(tmp_path, layout=name).told() == f"layout: {name}"


def test_folder_is_no_layout_and_gives_every_video_without_a_dataset(tmp_path: Path) -> None:
    make(tmp_path, *SETS["voxceleb2"], "dev/txt/odd.mp4")
    listing = list_source(tmp_path, layout="folder")
    assert [clip.clip_id for clip in listing.clips] == [
        "dev/mp4/id00012/21Uxsk56VDQ/00001",
        "dev/txt/odd",
        "test/mp4/id00017/xyz/00001",
    ]
    assert {(clip.dataset, clip.speaker) for clip in listing.clips} == {(None, None)}
    assert listing.told() == "layout: folder"


def test_wrong_layouts_are_one_sentence(plain: Path) -> None:
    with pytest.raises(UsageError, match="unknown layout 'voxceleb'; did you mean 'voxceleb2'"):
        list_source(plain, layout="voxceleb")
    with pytest.raises(UsageError, match=r"--layout lrs3 speaks of a folder, and .*1\.mp4 is a file"):
        list_source(plain / "anna" / "1.mp4", layout="lrs3")
    for name in SETS:
        with pytest.raises(UsageError, match=f"(is not {name}: )|(there are no clips in )"):
            list_source(plain, layout=name)


def test_options_that_say_nothing_about_the_source_are_refused(lrs3: Path, plain: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--segments says nothing about lrs3; it belongs to avspeech"):
        list_source(lrs3, segments=tmp_path / "a.csv")
    with pytest.raises(UsageError, match="--chunks says nothing about any other folder or list; it belongs to talkinghead1kh"):
        list_source(plain, layout="folder", chunks=tmp_path)
    with pytest.raises(UsageError, match="is not avspeech"):
        list_source(plain, segments=tmp_path / "a.csv")
    with pytest.raises(UsageError, match="is not talkinghead1kh"):
        list_source(plain, chunks=tmp_path)


def test_without_a_split_every_split_is_listed(lrs3: Path) -> None:
    assert {clip.clip_id: clip.split for clip in list_source(lrs3).clips} == {
        "test/abc/00001": "test",
        "test/abc/00002": "test",
        "trainval/xyz/00001": "trainval",
    }


def test_the_splits_of_a_list_are_those_in_its_column(plain: Path) -> None:
    table = plain / "l.csv"
    table.write_text("path,split\nanna/1.mp4,mine\nanna/2.mp4,yours\nanna/3.mp4,\n")
    assert [clip.clip_id for clip in list_source(table, split="mine").clips] == ["anna/1"]
    assert [clip.clip_id for clip in clips_of(table, None)] == ["anna/1", "anna/2", "anna/3"]
    with pytest.raises(UsageError, match=r"unknown split of l\.csv 'your'; did you mean 'yours'"):
        list_source(table, split="your")


def test_one_split_in_a_folder_needs_no_choice(lrs3: Path) -> None:
    make(lrs3 / "vox", "dev/mp4/id00012/abc/00001.mp4")
    assert [clip.clip_id for clip in clips_of(lrs3 / "vox", None)] == ["dev/mp4/id00012/abc/00001"]


def test_archives_beside_the_clips_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path, *SETS["voxceleb2"], "vox2_dev_mp4_partaa", "dev/mp4/id00012.zip", "vox2_meta.csv")
    list_source(tmp_path)
    told = [message for message in caplog.messages if "archives" in message]
    assert told == ["2 archives are not opened, the first is dev/mp4/id00012.zip; unpack or mount them where their clips are wanted"]
