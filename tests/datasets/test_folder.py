from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_files import make

from syncqc.datasets.folder import VIDEO_SUFFIXES, list_clips
from syncqc.errors import UsageError
from syncqc.manifest.store import path_on_disk


def names(source: Path, audio_root: Path | None = None) -> list[str]:
    return [clip.clip_id for clip in list_clips(source, audio_root).clips]


def test_a_folder_gives_its_videos_at_any_depth_sorted_by_name(tmp_path: Path) -> None:
    make(tmp_path, "b/2.mp4", "b/1.MKV", "a.webm", "notes.txt", "sound.wav", "b/c/d.e.mov", "._a.mp4")
    clips = list_clips(tmp_path).clips
    assert [(clip.clip_id, clip.path) for clip in clips] == [
        ("a", str(tmp_path / "a.webm")),
        ("b/1", str(tmp_path / "b/1.MKV")),
        ("b/2", str(tmp_path / "b/2.mp4")),
        ("b/c/d.e", str(tmp_path / "b/c/d.e.mov")),
    ]


@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES))
def test_each_suffix_is_found_in_either_case(tmp_path: Path, suffix: str) -> None:
    assert names(make(tmp_path, f"x{suffix}", f"y{suffix.upper()}")) == ["x", "y"]


def test_files_that_differ_only_in_their_suffix_keep_it(tmp_path: Path) -> None:
    assert names(make(tmp_path, "d/a.mp4", "d/a.mkv", "d/b.mp4", "e/a.mp4")) == ["d/a.mkv", "d/a.mp4", "d/b", "e/a"]


@pytest.mark.parametrize(
    "name", ["with space.mp4", 'it\'s "quoted".mp4', "Müller-日本.mp4", "line\nbreak.mp4", "$(rm -rf).mp4", "-o.mp4", "a,b;c.mp4"]
)
def test_odd_names_stay_as_they_are(tmp_path: Path, name: str) -> None:
    (clip,) = list_clips(make(tmp_path, name)).clips
    assert (clip.clip_id, clip.path) == (name[:-4], str(tmp_path / name))


def test_a_name_that_is_no_utf8_can_be_written_and_opened(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"m\xfcller.mp4")).touch()
    (clip,) = list_clips(tmp_path).clips
    assert clip.clip_id == r"m\udcfcller"
    assert Path(clip.path).exists()
    assert tmp_path / (path_on_disk(clip.clip_id) + ".mp4") in tmp_path.iterdir()


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    root = make(tmp_path / "root", "z/1.mp4")
    make(tmp_path / "elsewhere", "2.mp4", "deep/3.mp4")
    (root / "a").symlink_to(tmp_path / "elsewhere")
    (root / "z" / "up").symlink_to(root)
    (root / "again").symlink_to(root / "z")
    (root / "file.mp4").symlink_to(tmp_path / "elsewhere" / "2.mp4")
    (root / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    assert names(root) == ["a/2", "a/deep/3", "file", "gone", "z/1"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_without_rights_is_counted_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path, "a.mp4", "closed/b.mp4")
    (tmp_path / "closed").chmod(0)
    listing = list_clips(tmp_path)
    (tmp_path / "closed").chmod(0o700)
    assert ([clip.clip_id for clip in listing.clips], listing.n_closed_folders) == (["a"], 1)
    assert "1 folders under" in caplog.text


def test_a_folder_that_cannot_be_read_is_counted_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, "a.mp4", "closed/b.mp4")
    real = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    listing = list_clips(tmp_path)
    assert ([clip.clip_id for clip in listing.clips], listing.n_closed_folders) == (["a"], 1)
    assert caplog.messages == [f"1 folders under {tmp_path} may not be read; what is in them is not scored"]


def test_pipes_with_a_videos_name_are_listed_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert names(tmp_path) == ["pipe"]


def test_a_file_is_taken_whatever_its_suffix(tmp_path: Path) -> None:
    assert names(make(tmp_path, "clip.bin") / "clip.bin") == ["clip"]


@pytest.mark.parametrize(
    ("make_source", "sentence"),
    [
        (lambda root: root / "nowhere", "there is no file or folder"),
        (lambda root: make(root, "sound.wav"), r"there are no videos in .* \(suffixes looked for: \.3gp"),
        (lambda root: make(root, "empty.txt") / "empty.txt", "there are no videos in"),
    ],
    ids=["missing", "no video", "empty list"],
)
def test_nothing_to_score_is_one_sentence(tmp_path: Path, make_source: object, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        list_clips(make_source(tmp_path))  # type: ignore[operator]


def test_a_list_names_files_beside_it_or_under_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "lists", "a.mp4")
    make(tmp_path / "here", "b.mp4")
    make(tmp_path / "far", "c.mp4")
    monkeypatch.chdir(tmp_path / "here")
    listed = tmp_path / "lists" / "l.txt"
    listed.write_text(f"\ufeffa.mp4\nb.mp4\r\n\n{tmp_path}/far/c.mp4\n../gone.mp4\na.mp4\n", encoding="utf-8")
    inside = str(tmp_path / "far" / "c").lstrip("/")
    clips = list_clips(listed).clips
    assert {clip.clip_id: Path(clip.path) for clip in clips} == {
        "a": tmp_path / "lists" / "a.mp4",
        "b": Path("b.mp4"),
        inside: tmp_path / "far" / "c.mp4",
        "gone": tmp_path / "lists" / "../gone.mp4",
    }


def test_a_table_names_sound_dataset_speaker_and_clip(tmp_path: Path) -> None:
    make(tmp_path, "v/a.mp4", "v/b.mp4", "s/a.wav")
    table = tmp_path / "l.csv"
    table.write_text('path,audio_path,dataset,speaker,clip_id\nv/a.mp4,s/a.wav,vox,id1,\n"v/b.mp4",,,,my clip\n', encoding="utf-8")
    a, b = list_clips(table).clips[1], list_clips(table).clips[0]
    assert (a.clip_id, a.path, a.audio_path, a.dataset, a.speaker) == (
        "v/a",
        str(tmp_path / "v/a.mp4"),
        str(tmp_path / "s/a.wav"),
        "vox",
        "id1",
    )
    assert (b.clip_id, b.audio_path, b.dataset, b.speaker) == ("my clip", None, None, None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file\na.mp4\n", "unknown column of l.csv 'file'"),
        ("path,speeker\na.mp4,x\n", "unknown column of l.csv 'speeker'; did you mean 'speaker'"),
        ("speaker\nx\n", "has no column 'path'"),
        ("path,clip_id\na.mp4,x\nb.mp4,x\n", "two clips have the name 'x': .*a.mp4 and .*b.mp4"),
    ],
    ids=["no path", "misspelt", "only others", "one name twice"],
)
def test_a_wrong_table_is_refused_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "l.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=sentence):
        list_clips(tmp_path / "l.csv")


def test_sound_is_found_by_the_same_relative_path(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path / "mp4", "id1/x/1.mp4", "id1/x/2.mp4", "id1/x/2.mkv", "id2/y/1.mp4")
    make(tmp_path / "aac", "id1/x/1.m4a", "id1/x/1.wav", "id1/x/2.m4a", "id2/y/1.txt")
    clips = list_clips(tmp_path / "mp4", tmp_path / "aac").clips
    found = {clip.clip_id: clip.audio_path and str(Path(clip.audio_path).relative_to(tmp_path / "aac")) for clip in clips}
    assert found == {"id1/x/1": "id1/x/1.wav", "id1/x/2.mkv": "id1/x/2.m4a", "id1/x/2.mp4": "id1/x/2.m4a", "id2/y/1": None}
    assert "1 of 4 clips have no sound file" in caplog.text


@pytest.mark.parametrize(("folder", "sentence"), [("nowhere", "there is no folder"), ("mp4", "no clip has a sound file of its name under")])
def test_a_sound_folder_that_fits_nothing_is_refused(tmp_path: Path, folder: str, sentence: str) -> None:
    make(tmp_path / "mp4", "a.mp4")
    with pytest.raises(UsageError, match=sentence):
        list_clips(tmp_path / "mp4", tmp_path / folder)


def test_listing_twice_gives_the_same(tmp_path: Path) -> None:
    make(tmp_path, *[f"{i % 7}/{i * 37 % 100}.mp4" for i in range(100)])
    assert list_clips(tmp_path) == list_clips(tmp_path)


@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz", "set.ZIP", "a.tgz", "vox2_dev_mp4_partaa"])
def test_an_archive_is_refused_with_what_to_do(name: str, tmp_path: Path) -> None:
    make(tmp_path, name)
    with pytest.raises(UsageError, match=f"{name} is an archive, and archives are not read: unpack it, or mount it"):
        list_clips(tmp_path / name)


def test_a_folder_of_nothing_but_archives_says_so(tmp_path: Path) -> None:
    make(tmp_path, "shard-0.tar", "deep/shard-1.tar")
    with pytest.raises(UsageError, match=r"there are no videos in .*; it holds 2 archives, which are not opened: unpack or mount them"):
        list_clips(tmp_path)


def test_archives_among_videos_are_counted_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert names(make(tmp_path, "a.mp4", "b.tar", "c/d.zip")) == ["a"]
    assert caplog.messages == ["2 archives are not opened, the first is b.tar; unpack or mount them where their clips are wanted"]
