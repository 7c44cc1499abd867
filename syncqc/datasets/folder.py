"""Any folder, file or list of files: the clips in it, in one order, each with a name of its own.

Opens lists, never clips. A folder gives the files with one of `VIDEO_SUFFIXES` (sound-only files are none of them), at any
depth, links followed, ``._*`` files of other systems left out; a file that is named is taken whatever its suffix.
"""

from __future__ import annotations

import csv
import itertools
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from syncqc.errors import UsageError, unknown_name
from syncqc.manifest.row import Clip
from syncqc.manifest.store import storable

log = logging.getLogger(__name__)

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".flv", ".wmv", ".3gp", ".ogv", ".mxf"}
)
SOUND_SUFFIXES = (".wav", ".flac", ".m4a", ".aac", ".mp3", ".ogg", ".opus")
_LIST_COLUMNS = ("path", "audio_path", "dataset", "speaker", "clip_id")


@dataclass
class Listing:
    """The clips of a source, sorted by clip_id, how many folders could not be looked into, and which named clips are not there."""

    clips: list[Clip] = field(default_factory=list)
    n_closed_folders: int = 0
    missing: list[str] = field(default_factory=list)


def list_clips(source: Path, audio_root: Path | None = None) -> Listing:
    """Every clip of a folder, a file, or a list (``.txt``: a path per line; ``.csv``: a column ``path`` and perhaps others).

    clip_id is the path relative to the folder, or as it stands in the list, without suffix and with forward slashes; where two
    files differ only in their suffix, both keep it. With `audio_root` a clip's sound is the file of the same relative path there.

    Raises:
        UsageError: the source is missing or holds no clips; a list is wrong; two clips have one name.
    """
    if not source.exists():
        raise UsageError(f"there is no file or folder {source}")
    listing = _listing_of(source)
    if not listing.clips:
        looked_for = f" (suffixes looked for: {' '.join(sorted(VIDEO_SUFFIXES))})" if source.is_dir() else ""
        raise UsageError(f"there are no videos in {source}{looked_for}")
    listing.clips.sort(key=lambda clip: clip.clip_id)
    _refuse_equal_names(listing.clips)
    if audio_root is not None:
        listing.clips = _with_sound(listing.clips, audio_root)
    if listing.n_closed_folders:
        log.warning("%d folders under %s may not be read; what is in them is not scored", listing.n_closed_folders, source)
    return listing


def _listing_of(source: Path) -> Listing:
    if source.is_dir():
        listing = Listing()
        found = [(PurePosixPath(os.path.relpath(path, source)), path) for path in _videos(source, listing)]
        listing.clips = [Clip(clip_id, str(path)) for clip_id, path in _named(found)]
        return listing
    if source.suffix.lower() == ".txt":
        entries = _lines(source)
        return Listing([Clip(clip_id, str(path)) for clip_id, path in _named((_name_of(e), _find(e, source.parent)) for e in entries)])
    if source.suffix.lower() == ".csv":
        return Listing(_from_csv(source))
    return Listing([Clip(storable(source.stem), str(source))])


def _videos(root: Path, listing: Listing) -> Iterator[Path]:
    """Video files under `root`; a folder that is reached in two ways (a link, a loop) is entered once, links last."""
    seen: set[str] = set()
    folders, links = [root], list[Path]()
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            listing.n_closed_folders += 1
            log.info("%s: %s", folder, error.strerror)
            continue
        for entry in found:
            path = folder / entry.name
            if _is_folder(entry):
                (links if entry.is_symlink() else folders).append(path)
            elif path.suffix.lower() in VIDEO_SUFFIXES and not entry.name.startswith("._"):
                yield path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _named(found: Iterable[tuple[PurePosixPath, Path]]) -> list[tuple[str, Path]]:
    """Each path with its clip_id: without suffix, except where that would give one name to two files."""
    pairs = list({str(path): (name, path) for name, path in found}.values())
    times = Counter(name.with_suffix("") for name, _ in pairs)
    return [(storable(str(name if times[name.with_suffix("")] > 1 else name.with_suffix(""))), path) for name, path in pairs]


def _name_of(entry: str) -> PurePosixPath:
    """The entry of a list as a relative path that stays inside: without drive, leading ``/`` or ``..``."""
    parts = [part for part in Path(os.path.normpath(entry)).parts if part not in ("/", "..", ".")]
    return PurePosixPath(*parts)


def _find(entry: str, folder: Path) -> Path:
    """Where the entry of a list is: beside the list, else under the current folder."""
    beside = folder / entry
    here = Path(entry)
    return here if not beside.exists() and here.exists() else beside


def _lines(source: Path) -> list[str]:
    text = source.read_text(encoding="utf-8", errors="surrogateescape").removeprefix("\ufeff")
    return [line.removesuffix("\r") for line in text.split("\n") if line.strip()]


def _from_csv(source: Path) -> list[Clip]:
    with source.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        table = csv.DictReader(_without_mark(file))
        columns = table.fieldnames or []
        for column in columns:
            if column not in _LIST_COLUMNS:
                raise unknown_name(f"column of {source.name}", column, _LIST_COLUMNS)
        if "path" not in columns:
            raise UsageError(f"{source} has no column 'path' in its first line")
        lines = [line for line in table if line["path"]]
    names = {path: clip_id for clip_id, path in _named((_name_of(line["path"]), Path(line["path"])) for line in lines)}
    return [_clip_of(line, names[Path(line["path"])], source.parent) for line in lines]


def _clip_of(line: dict[str, str], name: str, folder: Path) -> Clip:
    sound = line.get("audio_path") or None
    return Clip(
        clip_id=storable(line.get("clip_id") or name),
        path=str(_find(line["path"], folder)),
        audio_path=str(_find(sound, folder)) if sound else None,
        dataset=line.get("dataset") or None,
        speaker=line.get("speaker") or None,
    )


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield line.removeprefix("\ufeff") if number == 0 else line


def _refuse_equal_names(clips: list[Clip]) -> None:
    for one, other in itertools.pairwise(clips):
        if one.clip_id == other.clip_id:
            raise UsageError(f"two clips have the name {one.clip_id!r}: {one.path} and {other.path}; give a clip_id to each in a .csv list")


def _with_sound(clips: list[Clip], audio_root: Path) -> list[Clip]:
    if not audio_root.is_dir():
        raise UsageError(f"there is no folder {audio_root} (--audio-root)")
    sounds = _Sounds(audio_root)
    found = [clip if clip.audio_path else Clip(clip.clip_id, clip.path, sounds.of(clip), clip.dataset, clip.speaker) for clip in clips]
    n_without = sum(clip.audio_path is None for clip in found)
    if n_without == len(found):
        raise UsageError(f"no clip has a sound file of its name under {audio_root}; looked for {audio_root / found[0].clip_id}.wav")
    if n_without:
        log.warning("%d of %d clips have no sound file under %s; their own sound is used", n_without, len(found), audio_root)
    return found


class _Sounds:
    """Sound files under a folder, each of its folders listed once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[Path, set[str]] = {}

    def of(self, clip: Clip) -> str | None:
        place = self._root / clip.clip_id
        for stem in (place.name, place.stem if place.suffix.lower() in VIDEO_SUFFIXES else place.name):
            for suffix in SOUND_SUFFIXES:
                if stem + suffix in self._in(place.parent):
                    return str(place.parent / (stem + suffix))
        return None

    def _in(self, folder: Path) -> set[str]:
        if folder not in self._names:
            try:
                self._names[folder] = set(os.listdir(folder))  # noqa: PTH208  (names, and a million of them)
            except OSError:
                self._names[folder] = set()
        return self._names[folder]
