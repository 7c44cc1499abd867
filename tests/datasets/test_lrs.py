from __future__ import annotations

from pathlib import Path

import pytest
from made_files import make

from syncqc.datasets.listing import Beside
from syncqc.datasets.lrs import Lrs2, Lrs3
from syncqc.errors import UsageError


def lrs2(folder: Path, lists_in: str = "") -> Path:
    """Two programmes with words beside the clips, and lists as released."""
    made = make(
        folder,
        *(f"mvlrs_v1/main/{name}.{kind}" for name in ("100/00001", "100/00002", "90/00001") for kind in ("mp4", "txt")),
        *(f"mvlrs_v1/pretrain/100/00001.{kind}" for kind in ("mp4", "txt")),
    )
    (made / lists_in / "test.txt").write_text("90/00001 NF\n100/00002 MV\n\n")
    (made / lists_in / "val.txt").write_text("100/00001\n")
    (made / lists_in / "pretrain.txt").write_text("100/00001\r\n")
    return made


@pytest.mark.parametrize("lists_in", ["", "mvlrs_v1"], ids=["lists beside", "lists within"])
def test_lrs2_is_told_apart_by_its_lists_and_nf_and_mv_are_no_part_of_a_name(lists_in: str, tmp_path: Path) -> None:
    folder = lrs2(tmp_path, lists_in)
    assert Lrs2().recognises(folder)
    listing = Lrs2().clips(folder, "test", Beside())
    assert listing.missing == []
    assert [(clip.clip_id, clip.path, clip.dataset, clip.speaker, clip.audio_path) for clip in listing.clips] == [
        ("mvlrs_v1/main/100/00002", str(folder / "mvlrs_v1/main/100/00002.mp4"), "lrs2", "100", None),
        ("mvlrs_v1/main/90/00001", str(folder / "mvlrs_v1/main/90/00001.mp4"), "lrs2", "90", None),
    ]
    assert [clip.clip_id for clip in Lrs2().clips(folder, "val", Beside()).clips] == ["mvlrs_v1/main/100/00001"]
    assert [clip.clip_id for clip in Lrs2().clips(folder, "pretrain", Beside()).clips] == ["mvlrs_v1/pretrain/100/00001"]


def test_mvlrs_v1_itself_is_lrs2_with_shorter_names(tmp_path: Path) -> None:
    folder = lrs2(tmp_path, "mvlrs_v1") / "mvlrs_v1"
    assert Lrs2().recognises(folder)
    assert not Lrs3().recognises(folder)
    assert [clip.clip_id for clip in Lrs2().clips(folder, "test", Beside()).clips] == ["main/100/00002", "main/90/00001"]


def test_a_missing_list_is_one_sentence_with_the_places_looked_at(tmp_path: Path) -> None:
    folder = lrs2(tmp_path)
    with pytest.raises(UsageError) as error:
        Lrs2().clips(folder, "train", Beside())
    assert str(error.value) == (f"the list of lrs2's split train is missing; looked for {folder}/train.txt and {folder}/mvlrs_v1/train.txt")


def test_clips_that_a_list_names_and_that_are_not_there_are_told(tmp_path: Path) -> None:
    folder = lrs2(tmp_path)
    (folder / "test.txt").write_text("90/00001 NF\n7/00001 NF\n7/00002 MV\n7/00001 MV\n")
    listing = Lrs2().clips(folder, "test", Beside())
    assert [clip.clip_id for clip in listing.clips] == ["mvlrs_v1/main/90/00001"]
    assert listing.missing == ["mvlrs_v1/main/7/00001", "mvlrs_v1/main/7/00002"]
    (folder / "test.txt").write_text("7/00001 NF\n")
    with pytest.raises(UsageError, match=r"none of the 1 clips that .*test\.txt names is there"):
        Lrs2().clips(folder, "test", Beside())


@pytest.mark.parametrize("line", ["00001", "../x/00001 NF", "a/b/c", "../00001"])
def test_a_line_that_names_no_clip_is_told_with_its_number(line: str, tmp_path: Path) -> None:
    folder = lrs2(tmp_path)
    (folder / "test.txt").write_text(f"90/00001 NF\n{line}\n")
    with pytest.raises(UsageError, match=r"test\.txt, line 2: .* is no <id>/<clip>"):
        Lrs2().clips(folder, "test", Beside())


def lrs3(folder: Path) -> Path:
    return make(
        folder,
        *(f"test/{name}.{kind}" for name in ("0Fi83BHQsMA/00002", "0Fi83BHQsMA/00004", "-ab_9/00001") for kind in ("mp4", "txt")),
        "test/0Fi83BHQsMA/._00002.mp4",
        *(f"trainval/xyz/50001.{kind}" for kind in ("mp4", "txt")),
    )


def test_the_folders_of_lrs3_are_its_splits_and_the_words_are_no_clips(tmp_path: Path) -> None:
    folder = lrs3(tmp_path)
    assert Lrs3().recognises(folder)
    assert not Lrs2().recognises(folder)
    assert [(clip.clip_id, clip.dataset, clip.speaker) for clip in Lrs3().clips(folder, "test", Beside()).clips] == [
        ("test/-ab_9/00001", "lrs3", "-ab_9"),
        ("test/0Fi83BHQsMA/00002", "lrs3", "0Fi83BHQsMA"),
        ("test/0Fi83BHQsMA/00004", "lrs3", "0Fi83BHQsMA"),
    ]
    assert [clip.clip_id for clip in Lrs3().clips(folder, "trainval", Beside()).clips] == ["trainval/xyz/50001"]


def test_a_split_of_lrs3_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"lrs3's split pretrain is missing: there is no folder .*/pretrain"):
        Lrs3().clips(lrs3(tmp_path), "pretrain", Beside())
    (tmp_path / "pretrain").mkdir()
    with pytest.raises(UsageError, match=r"there are no clips in .*/pretrain"):
        Lrs3().clips(tmp_path, "pretrain", Beside())


OTHERS = {
    "nothing": (),
    "clips in folders": ("anna/00001.mp4", "bert/00001.mp4"),
    "splits of another kind": ("test/anna/a.mp4", "train/anna/b.mp4"),
    "five digits without words": ("test/anna/00001.mp4",),
    "a folder main without a list": ("main/anna/00001.mp4",),
    "deeper than lrs3": ("test/mp4/id00001/abc/00001.mp4", "test/mp4/id00001/abc/00001.txt"),
}


@pytest.mark.parametrize("names", OTHERS.values(), ids=OTHERS)
def test_other_folders_are_neither(names: tuple[str, ...], tmp_path: Path) -> None:
    make(tmp_path, *names)
    assert not Lrs2().recognises(tmp_path)
    assert not Lrs3().recognises(tmp_path)


def test_all_of_lrs2_is_main_and_pretrain_with_the_splits_that_lists_name(tmp_path: Path) -> None:
    listing = Lrs2().clips(lrs2(tmp_path), None, Beside())
    assert [(clip.clip_id, clip.split, clip.speaker) for clip in listing.clips] == [
        ("mvlrs_v1/main/100/00001", "val", "100"),
        ("mvlrs_v1/main/100/00002", "test", "100"),
        ("mvlrs_v1/main/90/00001", "test", "90"),
        ("mvlrs_v1/pretrain/100/00001", "pretrain", "100"),
    ]
    (tmp_path / "val.txt").unlink()
    assert Lrs2().clips(tmp_path, None, Beside()).clips[0].split is None


def test_all_of_lrs3_is_its_folders(tmp_path: Path) -> None:
    clips = Lrs3().clips(lrs3(tmp_path), None, Beside()).clips
    assert [(clip.clip_id, clip.split) for clip in clips] == [
        ("test/-ab_9/00001", "test"),
        ("test/0Fi83BHQsMA/00002", "test"),
        ("test/0Fi83BHQsMA/00004", "test"),
        ("trainval/xyz/50001", "trainval"),
    ]


def test_sound_beside_lrs_is_found_by_name(tmp_path: Path) -> None:
    folder = lrs3(tmp_path / "lrs3")
    make(tmp_path / "wav", "trainval/xyz/50001.wav")
    (clip,) = Lrs3().clips(folder, "trainval", Beside(audio_root=tmp_path / "wav")).clips
    assert clip.audio_path == str(tmp_path / "wav/trainval/xyz/50001.wav")
