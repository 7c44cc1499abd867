from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_files import make

from syncqc.datasets.avspeech import AvSpeech, segment_of
from syncqc.datasets.layout import list_source
from syncqc.datasets.listing import Beside
from syncqc.errors import UsageError

AV = AvSpeech()

NAMES = {
    "as cut by the shell script": ("AvWWVOgaMlk_0090.000000-0093.566667", ("AvWWVOgaMlk", 90.0, 93.566667)),
    "with underscores": ("AvWWVOgaMlk_90.0_93.566667", ("AvWWVOgaMlk", 90.0, 93.566667)),
    "with what it is": ("AvWWVOgaMlk_90.0_93.5_video", ("AvWWVOgaMlk", 90.0, 93.5)),
    "whole seconds": ("AvWWVOgaMlk_90_94", ("AvWWVOgaMlk", 90.0, 94.0)),
    "milliseconds": ("AvWWVOgaMlk_90000_93566", ("AvWWVOgaMlk", 90.0, 93.566)),
    "id that ends with an underscore": ("abcdefghij__0001.000000-0004.000000", ("abcdefghij_", 1.0, 4.0)),
    "id that ends with a minus": ("abcdefghij-_1.0_4.0", ("abcdefghij-", 1.0, 4.0)),
    "id that ends like a time": ("abcdef_1_2-3_0001.000000-0004.000000", ("abcdef_1_2-3", 1.0, 4.0)),
    "id that begins with them": ("-_bcdefghij_1.0_4.0", ("-_bcdefghij", 1.0, 4.0)),
    "beyond 9999 s": ("AvWWVOgaMlk_10800.000000-10803.000000", ("AvWWVOgaMlk", 10800.0, 10803.0)),
    "no times": ("AvWWVOgaMlk", None),
    "a number": ("AvWWVOgaMlk_3", None),
    "an end before the start": ("AvWWVOgaMlk_9.0_3.0", None),
    "words": ("AvWWVOgaMlk_start_end", None),
}


@pytest.mark.parametrize(("name", "said"), NAMES.values(), ids=NAMES)
def test_names_are_read_from_the_right(name: str, said: tuple[str, float, float] | None) -> None:
    found = segment_of(name)
    assert (found and (found.ytid, found.start_s, found.end_s)) == said


@given(st.from_regex(r"[A-Za-z0-9_-]{11}", fullmatch=True), st.integers(0, 9_000_000_000), st.integers(3_000_000, 10_000_000))
def test_every_id_and_time_comes_back(ytid: str, start_us: int, length_us: int) -> None:
    start_s, end_s = start_us / 1e6, (start_us + length_us) / 1e6
    for name in (f"{ytid}_{start_s:011.6f}-{end_s:011.6f}", f"{ytid}_{start_s:.6f}_{end_s:.6f}"):
        found = segment_of(name)
        assert found is not None
        assert (found.ytid, found.start_s, found.end_s) == (ytid, pytest.approx(start_s), pytest.approx(end_s))


@pytest.fixture
def av(tmp_path: Path) -> Path:
    root = make(
        tmp_path / "av",
        "train/AvWWVOgaMlk_0090.000000-0093.566667.mp4",
        "train/AvWWVOgaMlk_0200.040000-0203.000000.webm",
        "train/ab_1-2_cd-__0001.500000-0004.500000.mp4",
        "train/._ab_1-2_cd-__0001.500000-0004.500000.mp4",
        "test/zzzzzzzzzzz_0001.000000-0004.000000.mp4",
        "test/zzzzzzzzzzz.mp4",
    )
    (root / "avspeech_train.csv").write_text(
        "AvWWVOgaMlk,90.000000,93.566667,0.672396,0.201389\n"
        "AvWWVOgaMlk,200.500000,203.000000,0.1,0.2\n"
        "AvWWVOgaMlk,199.600000,203.000000,0.3,0.4\n"
        "AvWWVOgaMlk,not,a,segment\n"
        "ab_1-2_cd-_,1.500000,4.500000,0.5,0.6\n"
        "ab_1-2_cd-_,1.500000,4.500000,1.5,0.6\n"
        "without a comma\n"
        "unknown_one,1,2\n"
    )
    (root / "avspeech_test.csv").write_text("zzzzzzzzzzz,1.600000,4.000000,0.5,0.5\n")
    return root


def test_a_clip_has_the_face_of_the_nearest_line_with_its_id(av: Path, caplog: pytest.LogCaptureFixture) -> None:
    listing = AV.clips(av, None, Beside())
    found = [(clip.clip_id, clip.speaker, clip.split, clip.listed_face_x, clip.listed_face_y) for clip in listing.clips]
    assert found == [
        ("test/zzzzzzzzzzz", None, "test", None, None),
        ("test/zzzzzzzzzzz_0001.000000-0004.000000", "zzzzzzzzzzz", "test", None, None),
        ("train/AvWWVOgaMlk_0090.000000-0093.566667", "AvWWVOgaMlk", "train", 0.672396, 0.201389),
        ("train/AvWWVOgaMlk_0200.040000-0203.000000", "AvWWVOgaMlk", "train", 0.3, 0.4),
        ("train/ab_1-2_cd-__0001.500000-0004.500000", "ab_1-2_cd-_", "train", 0.5, 0.6),
    ]
    assert caplog.messages == [
        f"3 lines of {av}/avspeech_train.csv are no segments (ytid,start,end,x,y) and are left out",
        "2 of 5 clips are no segment in avspeech_test.csv, avspeech_train.csv and have no listed face",
    ]
    assert listing.found == {"segments": f"{av}/avspeech_test.csv, {av}/avspeech_train.csv"}


def test_the_list_may_lie_beside_the_folder_or_be_named(av: Path, tmp_path: Path) -> None:
    assert AV.recognises(av) == f"the list {av}/avspeech_test.csv"
    assert AV.recognises(av / "train") == f"the list {av}/avspeech_test.csv"
    clips = AV.clips(av / "train", None, Beside()).clips
    assert next((clip.clip_id, clip.split, clip.listed_face_x) for clip in clips) == (
        "AvWWVOgaMlk_0090.000000-0093.566667",
        "train",
        0.672396,
    )
    other = tmp_path / "mine.csv"
    other.write_text("AvWWVOgaMlk,90,93.5,0.25,0.75\n")
    listing = list_source(av / "train", segments=other)
    assert [clip.listed_face_y for clip in listing.clips] == [0.75, None, None]
    assert listing.found == {}


def test_the_split_is_in_the_lists_name_where_no_folder_says_it(tmp_path: Path) -> None:
    make(tmp_path / "clips", "AvWWVOgaMlk_90.0_93.5.mp4", "BvWWVOgaMlk_90.0_93.5.mp4")
    for split, ytid in (("train", "AvWWVOgaMlk"), ("test", "BvWWVOgaMlk")):
        (tmp_path / f"avspeech_{split}.csv").write_text(f"{ytid},90.0,93.5,0.5,0.5\n")
    assert [clip.split for clip in AV.clips(tmp_path / "clips", None, Beside()).clips] == ["train", "test"]
    assert [clip.speaker for clip in AV.clips(tmp_path / "clips", "test", Beside()).clips] == ["BvWWVOgaMlk"]


def test_without_a_list_no_clip_has_a_listed_face_and_that_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path / "clips", "AvWWVOgaMlk_0090.000000-0093.566667.mp4")
    assert AV.recognises(tmp_path / "clips") == "names such as AvWWVOgaMlk_0090.000000-0093.566667"
    (clip,) = AV.clips(tmp_path / "clips", None, Beside()).clips
    assert (clip.speaker, clip.split, clip.listed_face_x, clip.listed_face_y) == ("AvWWVOgaMlk", None, None, None)
    assert caplog.messages == [
        f"no list of segments was found in or beside {tmp_path}/clips, so no clip has a listed face; name one with --segments"
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "there is no file .*mine.csv"), ("path,speaker\na.mp4,anna\n", "is no list of segments"), ("", "is no list of segments")],
    ids=["missing", "another list", "empty"],
)
def test_a_wrong_list_is_one_sentence(content: str | None, sentence: str, av: Path, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "mine.csv").write_text(content)
    with pytest.raises(UsageError, match=sentence):
        AV.clips(av, None, Beside(segments=tmp_path / "mine.csv"))


OTHERS = {
    "nothing": (),
    "other names with a list": ("a.mp4", "avspeech_train.csv"),
    "names of another kind without a list": ("talk_10_20.mp4",),
}


@pytest.mark.parametrize("names", OTHERS.values(), ids=OTHERS)
def test_other_folders_are_not_recognised(names: tuple[str, ...], tmp_path: Path) -> None:
    make(tmp_path / "x", *names)
    for path in tmp_path.glob("x/*.csv"):
        path.write_text("AvWWVOgaMlk,90.0,93.5,0.5,0.5\n")
    assert AV.recognises(tmp_path / "x") is None
