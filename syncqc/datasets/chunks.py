"""Crops of TalkingHead-1KH and their sound: when, in a sound file, a crop begins.

Sound may lie in a file per original video (``<ytid>.*``), per chunk (``<ytid>_NNNN.*``) or per crop (the crop's name), at any depth of one
folder, in sound files or in videos with sound; a crop's own goes before its chunk's, that before its original's.

::

    original   0 ------------------- 60 ------------------- 120     s
    chunk 1                            |61.4 ----------- 119.8|     cut at key frames, on the original's clock
    crop                               ...S ======= E               images S to E of the chunk
    file of the crop, either           |SSSSS=======|               with a frozen prefix: image S repeated S times, then S to E
                         or                 |=======|               without

Chunks were cut without a reset of their clock, so that a chunk's first time says where it begins, not 60 s times its number. Where the
original has B-frames, all times of its chunks are later by their delay (0.08 s, two images, for two B-frames at 25 per second): so the
beginning of chunk 0 is taken off. Whether a crop's file has the prefix, its length says: E + 1 or E + 1 - S images.
A chunk that has a sound track too can begin before its first picture: a prefix begins with the chunk, the images S to E count from the
picture.

A sound file per chunk begins with its chunk. In one that has pictures, these are laid over the chunk's; one without pictures that begins
late has kept the original's clock.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from syncqc.datasets.header import Header, header_of, headers_of
from syncqc.datasets.listing import VIDEO_SUFFIXES, Listing, files_under
from syncqc.datasets.sounds import SOUND_SUFFIXES, refuse_no_folder
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip
from syncqc.media.probe import sidecar_start_s

log = logging.getLogger(__name__)

_NAME = re.compile(r"(?P<video>.+)_(?P<chunk>\d{4,})_S(?P<first>\d+)_E(?P<last>\d+)(?:_L-?\d+_T-?\d+_R-?\d+_B-?\d+)?")
_NEAR_S = 0.5
_NEAR_SHARE = 0.02
"""A crop's length is that which its name says when it differs by no more than the two together."""
_NO_SOUND = "there is no sound file of theirs"
_LATE_S = 1.0
"""A sound file per chunk that begins so late has kept the original's clock."""


@dataclass(frozen=True)
class Crop:
    """What the name of a crop says: images `first` to `last` of a chunk of an original video."""

    name: str
    video: str
    number: str
    first: int
    last: int

    @property
    def chunk(self) -> str:
        """Name of its chunk's file, without suffix."""
        return f"{self.video}_{self.number}"

    @property
    def first_chunk(self) -> str:
        """Name of the file of the original's first chunk."""
        return f"{self.video}_{'0' * len(self.number)}"


@dataclass(frozen=True)
class _Known:
    """What is known for one crop: its file, its chunk, the first chunk of its original, and the sound."""

    crop: Crop
    file: Header
    chunk: Header | None
    first_chunk: Header | None
    is_per_chunk: bool = False
    sound: Header | None = None
    """Header of a sound file per chunk; None for one per original, or that cannot be opened."""
    sound_zero_s: float = 0.0
    """What that file's time 0 is on its own clock."""


def crop_of(stem: str) -> Crop | None:
    """What a file name without suffix says of a crop; None where it is not that of one."""
    found = _NAME.fullmatch(stem)
    if found is None or int(found["last"]) < int(found["first"]):
        return None
    return Crop(stem, found["video"], found["chunk"], int(found["first"]), int(found["last"]))


def with_placed_sound(clips: list[Clip], crops: dict[str, Crop], audio_root: Path, chunks: list[Path]) -> list[Clip]:
    """The clips, each with the file that holds its sound and `audio_start_s`; those whose sound cannot be placed have none, which is told.

    Raises:
        UsageError: a folder is missing, holds nothing that fits, or sound per original is there and nothing says where chunks begin;
            or no clip's sound can be placed.
    """
    refuse_no_folder(audio_root)
    for folder in chunks:
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder} (--chunks)")
    wanted = {name for crop in crops.values() for name in (crop.name, crop.chunk, crop.video)}
    sounds = _files([audio_root], wanted, (*SOUND_SUFFIXES, *sorted(VIDEO_SUFFIXES)))
    sound_of = {clip.clip_id: _sound_of(crops[clip.clip_id], sounds) for clip in clips if clip.clip_id in crops}
    found = {clip_id: name for clip_id, name in sound_of.items() if name is not None}
    if not found:
        raise UsageError(f"{audio_root} holds no sound of these clips; looked for <ytid>.*, <ytid>_NNNN.* and files named as the clips")
    wanted = {name for crop in crops.values() for name in (crop.chunk, crop.first_chunk)}
    chunk_files = _files(chunks, wanted, tuple(sorted(VIDEO_SUFFIXES)))
    if not chunk_files:
        _refuse_to_guess([crops[clip_id] for clip_id, name in found.items() if name == crops[clip_id].video], audio_root, chunks)
    return _placed(clips, crops, found, sounds, _Headers(chunk_files), _Headers(sounds))


def _files(folders: Iterable[Path], wanted: set[str], suffixes: tuple[str, ...]) -> dict[str, str]:
    """Paths of the files with the wanted names (without suffix); of several the one whose suffix comes first."""
    found: dict[str, tuple[int, str]] = {}
    for folder in folders:
        for _, path in files_under(folder, Listing(), lambda name: not name.startswith("._")):
            file = Path(path)
            is_crop = file.suffix.lower() in VIDEO_SUFFIXES and crop_of(file.stem) is not None
            if file.stem in wanted and file.suffix.lower() in suffixes and not is_crop:
                rank = suffixes.index(file.suffix.lower()), path
                found[file.stem] = min(rank, found.get(file.stem, rank))
    return {stem: path for stem, (_, path) in found.items()}


def _sound_of(crop: Crop, sounds: dict[str, str]) -> str | None:
    return next((name for name in (crop.name, crop.chunk, crop.video) if name in sounds), None)


def _refuse_to_guess(crops: list[Crop], audio_root: Path, chunks: list[Path]) -> None:
    late = [crop for crop in crops if int(crop.number)]
    if late:
        where = f"{chunks[0]} holds none of them" if chunks else "name the folder of chunks with --chunks"
        raise UsageError(
            f"{audio_root} holds the sound of whole videos, and only the chunks ({late[0].chunk}.mp4) say where in it "
            f"a clip begins: {where}"
        )


class _Headers:
    """Headers of files by name, each read once."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files
        self._read: dict[str, Header | None] = {}
        self._zeros_s: dict[str, float] = {}

    def of(self, name: str) -> Header | None:
        if name not in self._read:
            self._read[name] = header_of(self._files[name]) if name in self._files else None
        return self._read[name]

    def zero_s(self, name: str) -> float:
        """Time 0 of that file as sound, on its own clock; 0 where it cannot be opened."""
        if name not in self._zeros_s:
            self._zeros_s[name] = float(sidecar_start_s(self._files[name])) if self.of(name) is not None else 0.0
        return self._zeros_s[name]


def _placed(
    clips: list[Clip], crops: dict[str, Crop], found: dict[str, str], sounds: dict[str, str], chunks: _Headers, sound_headers: _Headers
) -> list[Clip]:
    told: Counter[str] = Counter()
    files = headers_of(clip.path for clip in clips if clip.clip_id in found)
    placed = []
    for clip in clips:
        crop = crops.get(clip.clip_id)
        if crop is None or clip.clip_id not in found:
            told[_NO_SOUND] += crop is not None
            placed.append(clip)
            continue
        name, file = found[clip.clip_id], next(files)
        start_s: float | str = "they cannot be opened" if file is None else 0.0
        if file is not None and name != crop.name:
            known = _Known(crop, file, chunks.of(crop.chunk), chunks.of(crop.first_chunk))
            if name == crop.chunk:
                known = replace(known, is_per_chunk=True, sound=sound_headers.of(name), sound_zero_s=sound_headers.zero_s(name))
            start_s = _start_s(known, told)
        if isinstance(start_s, str):
            told[start_s] += 1
            placed.append(clip)
        else:
            placed.append(replace(clip, audio_path=sounds[name], audio_start_s=round(start_s, 6) or None))
    if all(clip.audio_path is None for clip in placed):
        del told[_NO_SOUND]  # of some there is
        raise UsageError(f"no clip has sound that can be placed: {told.most_common(1)[0][0]}")
    for reason, n in sorted(told.items()):
        if n:
            log.warning("%d of %d clips: %s", n, len(clips), reason)
    return placed


def _start_s(known: _Known, told: Counter[str]) -> float | str:
    """When in the sound file the crop's file begins, in s after that file's time 0; or why that is not known."""
    sound, chunk = known.sound, known.chunk
    if known.is_per_chunk:
        if sound is None:
            return "their sound file cannot be opened"
        chunk = chunk or (sound if sound.picture_start_s is not None else replace(sound, picture_start_s=sound.start_s))
    elif int(known.crop.number):
        if chunk is None or chunk.picture_start_s is None:
            return "their chunk is not there, or cannot be opened, so their sound cannot be placed"
        if chunk.start_s < _LATE_S:
            return "the clock of their chunk was set back to 0, so their sound cannot be placed"
    chunk = chunk or Header(0.0, 0.0, None, None, has_sound=False)
    has_prefix = _has_prefix(known.crop, known.file, chunk)
    if has_prefix is None or not known.file.fps or chunk.picture_start_s is None:
        return "they are not as long as their names say, so their sound cannot be placed"
    begins_s = chunk.start_s if has_prefix else chunk.picture_start_s + known.crop.first / known.file.fps
    if sound is None:
        first = known.first_chunk
        if first is None and known.chunk is not None:
            told["the first chunk of their video is not there, so their sound may be placed some images late"] += 1
        return begins_s - (first.picture_start_s or 0.0 if first else 0.0)
    if sound.picture_start_s is not None:
        return begins_s - chunk.picture_start_s + sound.picture_start_s - known.sound_zero_s
    return begins_s - (known.sound_zero_s if sound.start_s > _LATE_S else chunk.start_s)


def _has_prefix(crop: Crop, file: Header, chunk: Header) -> bool | None:
    """Whether the file begins with image S repeated; None where its length fits neither."""
    n = file.n_pictures()
    if n is None or not file.fps:
        return None
    end = min(crop.last + 1.0, chunk.n_pictures() or crop.last + 1.0)
    to_go_s = {has: abs(n - expected) / file.fps for has, expected in ((True, end), (False, max(0.0, end - crop.first)))}
    nearest = min(to_go_s, key=lambda has: to_go_s[has])
    return nearest if to_go_s[nearest] <= _NEAR_S + _NEAR_SHARE * n / file.fps else None
