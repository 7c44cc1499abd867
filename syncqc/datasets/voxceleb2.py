"""VoxCeleb2 as released: which folder it is, its clips, their speakers, and the offset that it gives for each.

::

    {dev,test}/mp4/id00012/21Uxsk56VDQ/00001.mp4     a face of 224 x 224 at 25 per second, mostly with its sound inside
    {dev,test}/aac/id00012/21Uxsk56VDQ/00001.m4a     the same sound, where it was downloaded
    {dev,test}/txt/id00012/21Uxsk56VDQ/00001.txt     its third line is "Offset : N"

The folder given may be the one that holds ``dev`` and ``test``, one of the two, or an ``mp4``. The id stands for the speaker. The
offset has our sign (> 0: the sound comes early); it is kept as `dataset_offset_frames` and corrects nothing.

Some copies have no sound in their mp4. Where there is an ``aac``, eight clips, evenly spread, are looked at: if all of them that can be
opened carry sound, sound inside is taken, else every clip takes its file from ``aac`` where it has one. Sound named by hand
(``--audio-root``, such as ``dev/aac``) goes before both.

Source: Chung et al., VoxCeleb2: Deep Speaker Recognition; the offset's sign: the loader of joonson/syncnet_trainer.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from syncqc.datasets.header import headers_of
from syncqc.datasets.listing import Beside, Listing, is_folder, is_video, keep_split, named, prefix_of, spread, videos_under, without_suffix
from syncqc.datasets.sounds import SoundFolders, with_sound
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip

log = logging.getLogger(__name__)

T = TypeVar("T")
_ID = re.compile(r"id\d{5}")
_OFFSET = re.compile(rb"\s*offset\s*:\s*([+-]?\d{1,4})\s*", re.IGNORECASE)
_N_IDS_LOOKED_AT = 100
_N_CLIPS_LOOKED_AT = 8
_HEAD_BYTES = 512
_N_THREADS = 8
_PER_THREAD = 256


@dataclass(frozen=True)
class _Place:
    """A folder ``mp4``, and the split that it holds where its own folder says it."""

    mp4: Path
    split: str | None

    def beside(self, name: str) -> Path:
        return self.mp4.parent / name if str(self.mp4) != "." else Path("..") / name

    def stem_of(self, clip: Clip) -> str:
        """The clip's name under ``mp4``, without suffix."""
        return without_suffix(clip.path.removeprefix(prefix_of(self.mp4)))


@dataclass(frozen=True)
class VoxCeleb2:
    """VoxCeleb2; as released its splits hold 1,092,009 and 36,273 clips."""

    name: str = "voxceleb2"
    splits: tuple[str, ...] = ("dev", "test")
    takes: frozenset[str] = frozenset({"audio_root"})

    def recognises(self, folder: Path) -> str | None:
        """Names a folder ``mp4`` that holds a folder ``idNNNNN``."""
        places = self._places(folder)
        return f"the speakers' folders in {places[0].mp4}" if places else None

    def clips(self, folder: Path, split: str | None, beside: Beside) -> Listing:
        """Every video under ``mp4``; ``aac`` and ``txt`` give none. See `Layout`."""
        places = self._places(folder)
        if not places:
            raise UsageError(f"{folder} is not voxceleb2: there is no {{dev,test}}/mp4/idNNNNN in it")
        listing = Listing(layout=self.name)
        for place in places:
            if split is None or place.split in (split, None):
                listing.clips += self._clips_in(place, folder, listing, has_own_sound=beside.audio_root is not None)
        listing.clips.sort(key=lambda clip: clip.clip_id)
        keep_split(listing, split, self.splits, folder)
        if beside.audio_root is not None and listing.clips:
            listing.clips = with_sound(listing.clips, beside.audio_root, _names_of_sound)
        return listing

    def _places(self, folder: Path) -> list[_Place]:
        known = [_Place(folder / split / "mp4", split) for split in self.splits]
        here = folder.resolve()
        known += [_Place(folder / "mp4", _one_of(here.name, self.splits))]
        known += [_Place(folder, _one_of(here.parent.name, self.splits))] if here.name == "mp4" else []
        return [place for place in known if _holds_ids(place.mp4)]

    def _clips_in(self, place: _Place, folder: Path, listing: Listing, *, has_own_sound: bool) -> list[Clip]:
        prefix = "" if place.mp4 == folder else f"{place.mp4.relative_to(folder).as_posix()}/"
        within = Listing()
        clips = []
        for clip_id, path in named(videos_under(place.mp4, within)):
            speaker, _, rest = clip_id.partition("/")
            is_known = rest and _ID.fullmatch(speaker)
            label = speaker if is_known else None
            clips.append(Clip(prefix + clip_id, path, dataset=self.name, speaker=label, split=place.split))
        listing.n_closed_folders += within.n_closed_folders
        listing.archives += [prefix + name for name in within.archives]
        clips.sort(key=lambda clip: clip.clip_id)
        clips = _with_offsets(clips, place)
        return clips if has_own_sound else _with_sound_where_needed(clips, place)


def _one_of(name: str, splits: tuple[str, ...]) -> str | None:
    return name if name in splits else None


def _holds_ids(folder: Path) -> bool:
    """Whether one of the first entries is the folder of a speaker."""
    try:
        with os.scandir(folder) as entries:
            return any(_ID.fullmatch(entry.name) and is_folder(entry) for entry in itertools.islice(entries, _N_IDS_LOOKED_AT))
    except OSError:
        return False


def _names_of_sound(clip: Clip) -> tuple[str, ...]:
    """Under a folder of sound the clip's name may also be that of its file in ``aac``, or begin with the speaker."""
    stem = without_suffix(clip.clip_id) if is_video(clip.clip_id) else clip.clip_id
    before, mp4, after = f"/{stem}".rpartition("/mp4/")
    within = after if mp4 else stem
    return (stem, f"{before}/aac/{within}".removeprefix("/"), f"aac/{within}", within)


def _with_offsets(clips: list[Clip], place: _Place) -> list[Clip]:
    """The clips with what the third line of their text says."""
    texts = place.beside("txt")
    if not texts.is_dir():
        return clips
    found: list[Clip] = []
    with ThreadPoolExecutor(_N_THREADS) as pool:
        for some in _in_groups(clips, _N_THREADS * _PER_THREAD):
            groups = _in_groups([f"{texts}/{place.stem_of(clip)}.txt" for clip in some], _PER_THREAD)
            offsets = itertools.chain.from_iterable(pool.map(_offsets_in, list(groups)))
            found += [replace(clip, dataset_offset_frames=offset) for clip, offset in zip(some, offsets, strict=True)]
    n_without = sum(clip.dataset_offset_frames is None for clip in found)
    if n_without:
        log.warning("%d of %d clips have no text with an offset under %s", n_without, len(found), texts)
    return found


def _in_groups(items: list[T], n: int) -> Iterator[list[T]]:
    return (items[i : i + n] for i in range(0, len(items), n))


def _offsets_in(texts: list[str]) -> list[int | None]:
    return [offset_in(text) for text in texts]


def offset_in(text: str) -> int | None:
    """The offset that the third line of a clip's text gives, in images, > 0: the sound comes early; None where it gives none."""
    try:
        with open(text, "rb", buffering=0) as file:  # noqa: PTH123  (there may be a million)
            lines = (file.read(_HEAD_BYTES) or b"").splitlines()
    except OSError:
        return None
    found = _OFFSET.fullmatch(lines[2]) if len(lines) > 2 else None
    return int(found[1]) if found else None


def _with_sound_where_needed(clips: list[Clip], place: _Place) -> list[Clip]:
    """The clips with their file from ``aac`` where clips have no sound inside, else as they are."""
    aac = place.beside("aac")
    if not aac.is_dir() or not clips:
        return clips
    looked_at = [header for header in headers_of(clip.path for clip in spread(clips, _N_CLIPS_LOOKED_AT)) if header is not None]
    n_with = sum(header.has_sound for header in looked_at)
    if looked_at and n_with == len(looked_at):
        log.info("the clips in %s carry sound; %s is not used", place.mp4, aac)
        return clips
    if n_with:
        n = len(looked_at)
        log.warning("of %d clips looked at in %s %d carry sound, the others none: sound is taken from %s", n, place.mp4, n_with, aac)
    else:
        log.info("the clips in %s carry no sound; it is taken from %s", place.mp4, aac)
    folders = SoundFolders(aac)
    found = [replace(clip, audio_path=folders.find([place.stem_of(clip)])) for clip in clips]
    n_without = sum(clip.audio_path is None for clip in found)
    if n_without:
        log.warning("%d of %d clips have no sound file in %s; their own sound is used", n_without, len(found), aac)
    return found
