"""What all ways of listing have in common: the list itself, walking through folders, names, and what is told of them.

Opens no clip.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from syncqc.errors import UsageError, unknown_name
from syncqc.manifest.row import Clip
from syncqc.manifest.store import storable

log = logging.getLogger(__name__)

T = TypeVar("T")
FOLDER = "folder"
"""The name of no layout at all: any folder, file or list."""
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".flv", ".wmv", ".3gp", ".ogv", ".mxf"}
)
_ARCHIVE = re.compile(r".+(\.(tar|tgz|tbz2|txz|zip|7z|rar|tar\.[a-z0-9]+)|_part[a-z]{2})", re.IGNORECASE)
_MOST_NAMES = 50


@dataclass
class Listing:
    """The clips of a source, sorted by clip_id, and what there is to tell of them."""

    clips: list[Clip] = field(default_factory=list)
    n_closed_folders: int = 0
    """Folders that could not be looked into."""
    missing: list[str] = field(default_factory=list)
    """clip_ids that a list names and that are not there."""
    archives: list[str] = field(default_factory=list)
    """Archives among the files; what is in them is not listed."""
    layout: str = FOLDER
    recognised_by: str | None = None
    """What told the layout, in words; None where it was named or there is none."""
    found: dict[str, str] = field(default_factory=dict)
    """Lists and folders beside the clips that were found and used, by the name of the option that would name them."""

    def told(self) -> str:
        """One line about the layout."""
        return f"layout: {self.layout}" + (f" (recognised by {self.recognised_by})" if self.recognised_by else "")


@dataclass(frozen=True)
class Beside:
    """What may be given beside the folder of clips."""

    audio_root: Path | None = None
    segments: Path | None = None
    chunks: Path | None = None


def is_archive(name: str) -> bool:
    """Whether the name is that of an archive, or of a piece of one as VoxCeleb2's (``vox2_dev_mp4_partaa``)."""
    return _ARCHIVE.fullmatch(name) is not None


def archives_in(folder: Path) -> list[str]:
    """Names of the archives that lie directly in the folder."""
    try:
        return sorted(name for name in os.listdir(folder) if is_archive(name))  # noqa: PTH208  (names only)
    except OSError:
        return []


def refuse_archive(source: Path) -> None:
    """Nothing, unless the source is an archive.

    Raises:
        UsageError: it is one.
    """
    if source.is_file() and is_archive(source.name):
        raise UsageError(
            f"{source} is an archive, and archives are not read: unpack it, or mount it as a folder (ratarmount, fuse-archive), "
            "and name that folder"
        )


def videos_under(root: Path, listing: Listing) -> Iterator[tuple[str, str]]:
    """Relative name and path of every video file under `root`, as `files_under`."""
    return files_under(root, listing, is_video)


def files_under(root: Path, listing: Listing, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Relative name and path of every file under `root` whose name is wanted, folder by folder.

    A folder that is reached in two ways (a link, a loop) is entered once, links last. Closed folders and archives are noted in `listing`.
    """
    before = prefix_of(root)
    seen: set[tuple[int, int]] = set()
    folders, links = [""], list[str]()
    while folders or links:
        inner = folders.pop() if folders else links.pop(0)
        try:
            facts = os.stat(before + inner or ".")  # noqa: PTH116  (strings: there may be a million)
            if (facts.st_dev, facts.st_ino) in seen:
                continue
            seen.add((facts.st_dev, facts.st_ino))
            with os.scandir(before + inner or ".") as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            listing.n_closed_folders += 1
            log.info("%s: %s", before + inner, error.strerror)
            continue
        for entry in found:
            name = inner + entry.name
            if is_folder(entry):
                (links if entry.is_symlink() else folders).append(f"{name}/")
            elif is_wanted(entry.name):
                yield name, before + name
            elif is_archive(entry.name):
                listing.archives.append(name)


def prefix_of(root: Path) -> str:
    """What stands before a relative name in the paths under `root`."""
    return "" if str(root) == "." else f"{str(root).rstrip('/')}/"


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one; a link in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_video(name: str) -> bool:
    """Whether the file's name is that of a video, and not one of the ``._*`` files of other systems."""
    stem, _, suffix = name.rpartition(".")
    return bool(stem) and f".{suffix.lower()}" in VIDEO_SUFFIXES and not name.startswith("._")


def without_suffix(name: str) -> str:
    """The relative name without the suffix of its last part."""
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and stem and suffix and "/" not in suffix and not stem.endswith("/") else name


def named(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each path with its clip_id: its name without suffix, except where that would give one name to two files; a path is there once."""
    pairs = list({path: (name, path) for name, path in found}.items())
    times = Counter(without_suffix(name) for _, (name, _) in pairs)
    clip_ids = ((without_suffix(name) if times[without_suffix(name)] == 1 else name, path) for path, (name, _) in pairs)
    return [(storable(clip_id), path) for clip_id, path in clip_ids]


def first_names(folder: Path, depth: int = 3) -> Iterator[str]:
    """Names of the first videos in the folder, found without walking through all of it: a few entries of a few folders."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(itertools.islice(entries, _MOST_NAMES), key=lambda entry: entry.name)
    except OSError:
        return
    yield from (entry.name for entry in found if is_video(entry.name))
    inner = [entry for entry in found if depth > 1 and not is_video(entry.name) and is_folder(entry)]
    for entry in inner[:3]:
        yield from first_names(Path(entry.path), depth - 1)


def spread(items: Sequence[T], n: int) -> list[T]:
    """At most `n` of the items, the first and the last among them, evenly spread."""
    if len(items) <= n:
        return list(items)
    return [items[i * (len(items) - 1) // (n - 1)] for i in range(n)]


def refuse_equal_names(clips: list[Clip]) -> None:
    """Nothing, when the sorted clips have a name each.

    Raises:
        UsageError: two have one name.
    """
    for one, other in itertools.pairwise(clips):
        if one.clip_id == other.clip_id:
            raise UsageError(f"two clips have the name {one.clip_id!r}: {one.path} and {other.path}; give a clip_id to each in a .csv list")


def keep_split(listing: Listing, split: str | None, known: Sequence[str], source: Path) -> None:
    """Leaves only the clips of that split in the listing; all where none is named.

    Raises:
        UsageError: no such split, or it has no clips here.
    """
    if split is None:
        return
    if split not in known:
        raise unknown_name(f"split of {source.name if listing.layout == FOLDER else listing.layout}", split, known)
    there = sorted({clip.split for clip in listing.clips if clip.split})
    listing.clips = [clip for clip in listing.clips if clip.split == split]
    if not listing.clips:
        raise UsageError(f"no clip of {source} is known to be of the split {split}; splits found: {', '.join(there) or 'none'}")


def tell(listing: Listing, source: Path) -> None:
    """Warns, once each, of what under the source is not listed."""
    if listing.n_closed_folders:
        log.warning("%d folders under %s may not be read; what is in them is not scored", listing.n_closed_folders, source)
    if listing.archives:
        what = "archives are not opened, the first is"
        log.warning("%d %s %s; unpack or mount them where their clips are wanted", len(listing.archives), what, listing.archives[0])
    if listing.missing:
        n = len(listing.missing) + len(listing.clips)
        log.warning("%d of the %d clips that lists name are not there, the first is %s", len(listing.missing), n, listing.missing[0])
