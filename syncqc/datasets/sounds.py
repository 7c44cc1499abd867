"""Sound that lies beside the clips: the sound file of each clip in another folder, found by its name.

Opens no file.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from syncqc.datasets.listing import VIDEO_SUFFIXES, without_suffix
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip

log = logging.getLogger(__name__)

SOUND_SUFFIXES = (".wav", ".flac", ".m4a", ".aac", ".mp3", ".ogg", ".opus")
_MOST_FOLDERS = 1000


def same_name(clip: Clip) -> tuple[str, ...]:
    """The names, without suffix, that the clip's sound may have in another folder: its clip_id, and that without a suffix."""
    stem = without_suffix(clip.clip_id)
    return (clip.clip_id, stem) if clip.clip_id.removeprefix(stem).lower() in VIDEO_SUFFIXES else (clip.clip_id,)


def with_sound(clips: list[Clip], audio_root: Path, names: Callable[[Clip], Iterable[str]] = same_name) -> list[Clip]:
    """The clips, each with the sound file of one of its `names` under `audio_root`; clips that have a sound file keep it.

    Raises:
        UsageError: there is no such folder, or no clip has a sound file in it.
    """
    refuse_no_folder(audio_root)
    folders = SoundFolders(audio_root)
    found = [clip if clip.audio_path else replace(clip, audio_path=folders.find(names(clip))) for clip in clips]
    n_without = sum(clip.audio_path is None for clip in found)
    if n_without == len(found):
        raise UsageError(f"no clip has a sound file of its name under {audio_root}; looked for {audio_root / found[0].clip_id}.wav")
    if n_without:
        log.warning("%d of %d clips have no sound file under %s; their own sound is used", n_without, len(found), audio_root)
    return found


def refuse_no_folder(audio_root: Path) -> None:
    """Nothing, where it is a folder.

    Raises:
        UsageError: it is none.
    """
    if not audio_root.is_dir():
        raise UsageError(f"there is no folder {audio_root} (--audio-root)")


class SoundFolders:
    """Sound files under a folder; each of its folders is listed once while the clips come in order."""

    def __init__(self, root: Path) -> None:
        """Looks at nothing yet."""
        self._root = root
        self._names: dict[str, frozenset[str]] = {}

    def find(self, names: Iterable[str]) -> str | None:
        """The first sound file that has one of these names, relative and without suffix; None where there is none."""
        for name in names:
            place = self._root / name
            there = self._in(str(place.parent))
            for suffix in SOUND_SUFFIXES:
                if place.name + suffix in there:
                    return str(place.parent / (place.name + suffix))
        return None

    def _in(self, folder: str) -> frozenset[str]:
        if folder not in self._names:
            if len(self._names) >= _MOST_FOLDERS:
                self._names.clear()
            try:
                self._names[folder] = frozenset(os.listdir(folder))  # noqa: PTH208  (names, and a million of them)
            except OSError:
                self._names[folder] = frozenset()
        return self._names[folder]
