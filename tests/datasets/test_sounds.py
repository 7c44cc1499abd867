from __future__ import annotations

from pathlib import Path

import pytest
from made_files import make

from syncqc.datasets import sounds
from syncqc.datasets.sounds import SoundFolders, with_sound
from syncqc.manifest.row import Clip


def test_a_clip_that_has_a_sound_file_keeps_it_and_what_else_it_has(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "b.wav")
    given = [Clip("a", "a.mp4", "/mine.wav", audio_start_s=2.0), Clip("b", "b.mp4", speaker="x", split="dev", dataset_offset_frames=3)]
    kept, found = with_sound(given, tmp_path)
    assert kept == given[0]
    assert found == Clip("b", "b.mp4", str(tmp_path / "b.wav"), speaker="x", split="dev", dataset_offset_frames=3)


def test_wav_goes_before_other_suffixes_and_the_first_name_before_others(tmp_path: Path) -> None:
    make(tmp_path, "a.m4a", "a.wav", "b/a.mp3")
    assert SoundFolders(tmp_path).find(["b/a", "a"]) == str(tmp_path / "b/a.mp3")
    assert SoundFolders(tmp_path).find(["c/a", "a"]) == str(tmp_path / "a.wav")
    assert SoundFolders(tmp_path).find(["c/a"]) is None


def test_more_folders_than_are_remembered_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "_MOST_FOLDERS", 2)
    names = [f"{i}/x" for i in range(7)]
    make(tmp_path, *(f"{name}.wav" for name in names))
    folders = SoundFolders(tmp_path)
    for _ in range(2):
        assert [folders.find([name]) for name in names] == [str(tmp_path / f"{name}.wav") for name in names]
