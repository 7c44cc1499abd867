from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_files import make

from syncqc.datasets.layout import list_source
from syncqc.datasets.listing import Beside
from syncqc.datasets.voxceleb2 import VoxCeleb2, offset_in
from syncqc.errors import UsageError
from syncqc.media.mux import run_ffmpeg

VOX = VoxCeleb2()
TEXT = "Identity  : \tid00012\nReference : \t21Uxsk56VDQ\nOffset    : \t{}\nFV Conf   : \t16.1\t(1)\nASD Conf  : \t5.1\n\nFRAME\tX\n"


def text(root: Path, name: str, content: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


@pytest.fixture
def vox(tmp_path: Path) -> Path:
    """Three speakers in two splits; the same utterance number under each."""
    root = make(
        tmp_path / "vox2",
        "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4",
        "dev/mp4/id00012/21Uxsk56VDQ/00002.mp4",
        "dev/mp4/id00012/21Uxsk56VDQ/._00001.mp4",
        "dev/mp4/id00015/-a_b/00001.mp4",
        "test/mp4/id00017/xyz/00001.mp4",
        "dev/vox2_meta.csv",
    )
    text(root, "dev/txt/id00012/21Uxsk56VDQ/00001.txt", TEXT.format(2))
    text(root, "dev/txt/id00015/-a_b/00001.txt", TEXT.format(-3))
    text(root, "test/txt/id00017/xyz/00001.txt", TEXT.format(0))
    return root


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A video with and one without sound."""
    folder = tmp_path_factory.mktemp("talking")
    with_sound, without = folder / "with.mp4", folder / "without.mp4"
    picture = ["-f", "lavfi", "-i", "color=size=32x32:rate=25:duration=0.4"]
    run_ffmpeg([*picture, "-f", "lavfi", "-i", "sine=440:duration=0.4", "-c:a", "aac", str(with_sound)])
    run_ffmpeg([*picture, str(without)])
    return with_sound, without


def test_clips_have_speaker_split_and_the_offset_of_the_third_line(vox: Path, caplog: pytest.LogCaptureFixture) -> None:
    listing = VOX.clips(vox, None, Beside())
    assert [(clip.clip_id, clip.speaker, clip.split, clip.dataset_offset_frames) for clip in listing.clips] == [
        ("dev/mp4/id00012/21Uxsk56VDQ/00001", "id00012", "dev", 2),
        ("dev/mp4/id00012/21Uxsk56VDQ/00002", "id00012", "dev", None),
        ("dev/mp4/id00015/-a_b/00001", "id00015", "dev", -3),
        ("test/mp4/id00017/xyz/00001", "id00017", "test", 0),
    ]
    assert {clip.dataset for clip in listing.clips} == {"voxceleb2"}
    assert listing.clips[0].path == str(vox / "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4")
    assert caplog.messages == [f"1 of 3 clips have no text with an offset under {vox}/dev/txt"]


@pytest.mark.parametrize(
    ("within", "first", "split"),
    [
        ("dev", "mp4/id00012/21Uxsk56VDQ/00001", "dev"),
        ("dev/mp4", "id00012/21Uxsk56VDQ/00001", "dev"),
        ("test", "mp4/id00017/xyz/00001", "test"),
    ],
)
def test_any_folder_from_the_root_to_mp4_is_known(within: str, first: str, split: str, vox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = VOX.clips(vox / within, None, Beside()).clips[0]
    assert (clip.clip_id, clip.split) == (first, split)
    assert clip.dataset_offset_frames is not None
    monkeypatch.chdir(vox / within)
    here = VOX.clips(Path(), None, Beside()).clips[0]
    assert (here.clip_id, here.split, here.dataset_offset_frames) == (first, split, clip.dataset_offset_frames)
    assert Path(here.path).exists()


def test_a_split_is_taken_alone(vox: Path) -> None:
    assert [clip.clip_id for clip in VOX.clips(vox, "test", Beside()).clips] == ["test/mp4/id00017/xyz/00001"]
    with pytest.raises(UsageError, match=r"no clip of .* is known to be of the split dev; splits found: none"):
        VOX.clips(vox / "test", "dev", Beside())


def test_aac_and_txt_give_no_rows_and_videos_elsewhere_under_mp4_do(vox: Path) -> None:
    make(vox, "dev/aac/id00012/21Uxsk56VDQ/00001.m4a", "dev/txt/id00012/21Uxsk56VDQ/odd.mp4", "dev/mp4/id00012/loose.mp4", "dev/mp4/x.mkv")
    make(vox, "dev/mp4/id00012/21Uxsk56VDQ/00001.mkv")
    found = {clip.clip_id: clip.speaker for clip in VOX.clips(vox, "dev", Beside()).clips}
    assert found == {
        "dev/mp4/id00012/21Uxsk56VDQ/00001.mkv": "id00012",
        "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4": "id00012",
        "dev/mp4/id00012/21Uxsk56VDQ/00002": "id00012",
        "dev/mp4/id00012/loose": "id00012",
        "dev/mp4/id00015/-a_b/00001": "id00015",
        "dev/mp4/x": None,
    }


OFFSETS = {
    "positive": (TEXT.format("7"), 7),
    "with a sign": (TEXT.format("+7"), 7),
    "negative": (TEXT.format("-12"), -12),
    "windows line ends": (TEXT.format(4).replace("\n", "\r\n"), 4),
    "no line end after it": ("a\nb\nOffset : 1", 1),
    "two lines": ("Identity : id\nOffset : 3\n", None),
    "another third line": ("Offset : 3\na\nb\n", None),
    "no number": (TEXT.format("x"), None),
    "half an image": (TEXT.format("1.5"), None),
    "empty": ("", None),
}


@pytest.mark.parametrize(("content", "offset"), OFFSETS.values(), ids=OFFSETS)
def test_only_a_whole_number_in_the_third_line_is_an_offset(content: str, offset: int | None, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(content.encode())
    assert offset_in(str(tmp_path / "a.txt")) == offset


def test_a_text_that_is_a_folder_or_missing_gives_no_offset(tmp_path: Path) -> None:
    assert offset_in(str(tmp_path)) is None
    assert offset_in(str(tmp_path / "nowhere.txt")) is None


def put(vox: Path, clip: str, file: Path) -> None:
    place = vox / "dev/mp4" / f"{clip}.mp4"
    place.unlink()
    os.link(file, place)


SOUNDS = ("dev/aac/id00012/21Uxsk56VDQ/00001.m4a", "dev/aac/id00015/-a_b/00001.m4a")
CLIPS = ("id00012/21Uxsk56VDQ/00001", "id00012/21Uxsk56VDQ/00002", "id00015/-a_b/00001")


def sound_of(vox: Path, beside: Beside | None = None) -> dict[str, str | None]:
    clips = VOX.clips(vox, "dev", beside or Beside()).clips
    return {clip.clip_id.removeprefix("dev/mp4/"): clip.audio_path and str(Path(clip.audio_path).relative_to(vox)) for clip in clips}


def test_sound_inside_is_taken_where_the_clips_looked_at_have_it(vox: Path, talking: tuple[Path, Path]) -> None:
    make(vox, *SOUNDS)
    for clip in CLIPS:
        put(vox, clip, talking[0])
    assert sound_of(vox) == dict.fromkeys(CLIPS)


def test_silent_clips_take_their_sound_from_aac(vox: Path, talking: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    make(vox, *SOUNDS)
    for clip in CLIPS:
        put(vox, clip, talking[1])
    assert sound_of(vox) == {CLIPS[0]: SOUNDS[0], CLIPS[1]: None, CLIPS[2]: SOUNDS[1]}
    assert f"1 of 3 clips have no sound file in {vox}/dev/aac; their own sound is used" in caplog.messages


def test_mixed_clips_take_aac_and_it_is_told(vox: Path, talking: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    make(vox, *SOUNDS)
    for clip, file in zip(CLIPS[:2], talking, strict=True):
        put(vox, clip, file)
    assert sound_of(vox) == {CLIPS[0]: SOUNDS[0], CLIPS[1]: None, CLIPS[2]: SOUNDS[1]}
    assert f"of 2 clips looked at in {vox}/dev/mp4 1 carry sound, the others none: sound is taken from {vox}/dev/aac" in caplog.messages


@pytest.mark.parametrize("root", ["dev/aac", "dev", ".", "elsewhere"])
def test_sound_that_is_named_goes_before_sound_inside(root: str, vox: Path, talking: tuple[Path, Path]) -> None:
    for clip in CLIPS:
        put(vox, clip, talking[0])
    here = "elsewhere/dev/mp4" if root == "elsewhere" else "dev/aac"
    make(vox, *(f"{here}/{clip}.wav" for clip in CLIPS))
    assert sound_of(vox, Beside(audio_root=vox / root)) == {clip: f"{here}/{clip}.wav" for clip in CLIPS}


OTHERS = {
    "nothing": (),
    "the first VoxCeleb": ("wav/id10001/abc/00001.wav",),
    "speakers without mp4": ("id00012/abc/00001.mp4",),
    "mp4 without speakers": ("mp4/anna/1.mp4",),
    "six digits": ("dev/mp4/id000123/abc/00001.mp4",),
}


@pytest.mark.parametrize("names", OTHERS.values(), ids=OTHERS)
def test_other_folders_are_not_recognised_and_naming_the_layout_says_why(names: tuple[str, ...], tmp_path: Path) -> None:
    make(tmp_path, *names)
    assert VOX.recognises(tmp_path) is None
    with pytest.raises(UsageError, match=r"is not voxceleb2: there is no \{dev,test\}/mp4/idNNNNN in it"):
        list_source(tmp_path, layout="voxceleb2")
