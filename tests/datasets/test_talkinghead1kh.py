from __future__ import annotations

from pathlib import Path

import pytest
from made_files import make

from syncqc.datasets.listing import Beside
from syncqc.datasets.talkinghead1kh import TalkingHead1kh
from syncqc.errors import UsageError

TH = TalkingHead1kh()
CROP = "-7TMJ_nhi-__0000_S1202_E1607_L345_T26_R857_B538"


@pytest.fixture
def th(tmp_path: Path) -> Path:
    return make(
        tmp_path / "th",
        f"train/cropped_clips/{CROP}.mp4",
        f"train/cropped_clips/._{CROP}.mp4",
        "train/cropped_clips/abc_0012_S0_E99_L0_T0_R512_B512.mp4",
        "train/1min_clips/abc_0012.mp4",
        "train/raw_videos/abc.mp4",
        f"val/cropped_clips/{CROP}.mp4",
    )


def test_only_crops_are_clips_with_their_video_as_speaker(th: Path) -> None:
    assert [(clip.clip_id, clip.speaker, clip.split, clip.dataset) for clip in TH.clips(th, None, Beside()).clips] == [
        (f"train/cropped_clips/{CROP}", "-7TMJ_nhi-_", "train", "talkinghead1kh"),
        ("train/cropped_clips/abc_0012_S0_E99_L0_T0_R512_B512", "abc", "train", "talkinghead1kh"),
        (f"val/cropped_clips/{CROP}", "-7TMJ_nhi-_", "val", "talkinghead1kh"),
    ]
    assert [clip.clip_id for clip in TH.clips(th, "val", Beside()).clips] == [f"val/cropped_clips/{CROP}"]


@pytest.mark.parametrize(
    ("within", "clip_id", "split"),
    [("train", f"cropped_clips/{CROP}", "train"), ("train/cropped_clips", CROP, "train"), ("val", f"cropped_clips/{CROP}", "val")],
)
def test_any_folder_from_the_root_to_the_crops_is_known(within: str, clip_id: str, split: str, th: Path) -> None:
    assert TH.recognises(th / within)
    clip = TH.clips(th / within, None, Beside()).clips[0]
    assert (clip.clip_id, clip.split) == (clip_id, split)


def test_a_plain_folder_of_crops_is_known_by_their_names(tmp_path: Path) -> None:
    make(tmp_path / "mine", f"a/{CROP}.mp4", "odd.mp4")
    assert TH.recognises(tmp_path / "mine") == f"names such as {CROP}.mp4"
    assert [(clip.clip_id, clip.speaker, clip.split) for clip in TH.clips(tmp_path / "mine", None, Beside()).clips] == [
        (f"a/{CROP}", "-7TMJ_nhi-_", None),
        ("odd", None, None),
    ]


def test_the_chunks_beside_the_crops_are_found(th: Path) -> None:
    make(th / "sound", "abc.wav")
    with pytest.raises(UsageError, match=r"no clip has sound that can be placed: they cannot be opened"):
        TH.clips(th, "train", Beside(audio_root=th / "sound"))
    (th / "train/1min_clips/abc_0012.mp4").unlink()
    with pytest.raises(
        UsageError, match=r"only the chunks \(abc_0012\.mp4\) say where in it a clip begins: .*/1min_clips holds none of them"
    ):
        TH.clips(th, "train", Beside(audio_root=th / "sound"))


@pytest.mark.parametrize(
    ("beside", "sentence"),
    [
        (Beside(audio_root=Path("nowhere")), "there is no folder nowhere .--audio-root"),
        (Beside(audio_root=Path(), chunks=Path("nowhere")), "there is no folder nowhere .--chunks"),
        (Beside(audio_root=Path("empty")), "empty holds no sound of these clips"),
    ],
    ids=["sound", "chunks", "nothing"],
)
def test_what_is_not_there_is_one_sentence(
    beside: Beside, sentence: str, th: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=sentence):
        TH.clips(th, None, beside)


def test_a_folder_without_crops_is_none(tmp_path: Path) -> None:
    make(tmp_path, "abc_0012.mp4", "b.mp4")
    assert TH.recognises(tmp_path) is None
    with pytest.raises(UsageError, match="is not talkinghead1kh: no video has a name like <ytid>_0000_S0_E100_L0_T0_R512_B512"):
        TH.clips(tmp_path, None, Beside())
