"""LRS2 and LRS3 as released: which folder is which, and the clips of their splits.

::

    lrs2   mvlrs_v1/main/<id>/<clip>.mp4 .txt       train, val and test lie together and are told apart by lists,
           mvlrs_v1/pretrain/<id>/<clip>.mp4 .txt   pretrain.txt train.txt val.txt test.txt: a line is <id>/<clip>, in test.txt
           test.txt ...                             followed by NF or MV; the lists are in the folder or in mvlrs_v1
    lrs3   test/<ytid>/NNNNN.mp4 .txt               the folders are the splits: pretrain, trainval, test

The ``.txt`` beside a clip holds its words; it is no clip. The folder's name stands for the speaker. Without a split LRS2 is ``main`` and
``pretrain``, each clip with the split that names it where that list is there. Opens lists, never clips.

Source: Afouras et al., Deep Audio-Visual Speech Recognition (LRS2) and LRS3-TED.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from syncqc.datasets.listing import Beside, Listing, is_folder
from syncqc.datasets.sounds import with_sound
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip
from syncqc.manifest.store import storable

log = logging.getLogger(__name__)

_LRS2_LINE = re.compile(r"[^/\s]+/[^/\s]+")
_LRS3_CLIP = re.compile(r"\d{5}\.mp4")


@dataclass(frozen=True)
class Lrs2:
    """LRS2-BBC; as released its splits hold 96,318, 45,839, 1,082 and 1,243 clips."""

    name: str = "lrs2"
    splits: tuple[str, ...] = ("pretrain", "train", "val", "test")
    takes: frozenset[str] = frozenset({"audio_root"})

    def recognises(self, folder: Path) -> str | None:
        """Names ``mvlrs_v1``, or ``main`` beside one of the lists."""
        root = _lrs2_root(folder)
        if root.resolve().name == "mvlrs_v1":
            return "the folder mvlrs_v1" if (root / "main").is_dir() or (root / "pretrain").is_dir() else None
        lists = [split for split in self.splits if (root / f"{split}.txt").is_file()]
        return f"the folder main beside {lists[0]}.txt" if lists and (root / "main").is_dir() else None

    def clips(self, folder: Path, split: str | None, beside: Beside) -> Listing:
        """The clips that the split's list names; see `Layout`."""
        root = _lrs2_root(folder)
        if split is not None:
            places = list(dict.fromkeys([folder / f"{split}.txt", root / f"{split}.txt"]))
            listed = next((place for place in places if place.is_file()), None)
            if listed is None:
                raise UsageError(f"the list of lrs2's split {split} is missing; looked for {' and '.join(map(str, places))}")
            within = root / ("pretrain" if split == "pretrain" else "main")
            found = ((within / f"{name}.mp4", split) for name in _listed(listed))
            return _listing(self.name, folder, found, f"that {listed} names", beside)
        return _listing(self.name, folder, self._all(folder, root), f"in {root / 'main'} and {root / 'pretrain'}", beside)

    def _all(self, folder: Path, root: Path) -> Iterator[tuple[Path, str | None]]:
        split_of: dict[str, str] = {}
        for split in ("train", "val", "test"):
            listed = next((place / f"{split}.txt" for place in (folder, root) if (place / f"{split}.txt").is_file()), None)
            split_of |= dict.fromkeys(_listed(listed), split) if listed else {}
        for path in _in_folders_of(root / "main"):
            yield path, split_of.get(f"{path.parent.name}/{path.stem}")
        for path in _in_folders_of(root / "pretrain"):
            yield path, "pretrain"


@dataclass(frozen=True)
class Lrs3:
    """LRS3-TED; as released its splits hold 118,516, 31,982 and 1,321 clips."""

    name: str = "lrs3"
    splits: tuple[str, ...] = ("pretrain", "trainval", "test")
    takes: frozenset[str] = frozenset({"audio_root"})

    def recognises(self, folder: Path) -> str | None:
        """Names a split's folder that holds a folder with five-digit clips, the words of each beside it."""
        if _lrs2_root(folder) != folder or (folder / "main").exists():
            return None
        return next((f"five-digit clips with their words in {split}" for split in self.splits if _holds_lrs3(folder / split)), None)

    def clips(self, folder: Path, split: str | None, beside: Beside) -> Listing:
        """All clips in the split's folder; see `Layout`."""
        if split is not None and not (folder / split).is_dir():
            raise UsageError(f"lrs3's split {split} is missing: there is no folder {folder / split}")
        splits = (split,) if split is not None else self.splits
        found = ((path, one) for one in splits for path in _in_folders_of(folder / one))
        return _listing(self.name, folder, found, f"in {folder / split if split else folder}", beside)


def _in_folders_of(folder: Path) -> Iterator[Path]:
    """The ``.mp4`` files one folder deep."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        inner = sorted(entry.path for entry in entries if is_folder(entry))
    for name in inner:
        try:
            names = sorted(os.listdir(name))  # noqa: PTH208  (names only)
        except OSError as error:
            log.warning("%s may not be read (%s); what is in it is not listed", name, error.strerror)
            continue
        yield from (Path(name, entry) for entry in names if entry.endswith(".mp4"))


def _lrs2_root(folder: Path) -> Path:
    inner = folder / "mvlrs_v1"
    return inner if inner.is_dir() else folder


def _holds_lrs3(split: Path) -> bool:
    """Whether the first folder with anything in it holds a clip of LRS3."""
    if not split.is_dir():
        return False
    for inner in split.iterdir():
        for path in inner.iterdir() if inner.is_dir() else ():
            if _LRS3_CLIP.fullmatch(path.name):
                return path.with_suffix(".txt").is_file()
    return False


def _listed(listed: Path) -> list[str]:
    """The first word of each line, each once: what follows it in LRS2's test.txt is no part of the name."""
    names: dict[str, None] = {}
    for number, line in enumerate(listed.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if words := line.split():
            if not _LRS2_LINE.fullmatch(words[0]) or ".." in PurePosixPath(words[0]).parts:
                raise UsageError(f"{listed}, line {number}: {words[0]!r} is no <id>/<clip>")
            names[words[0]] = None
    return list(names)


def _listing(dataset: str, folder: Path, found: Iterable[tuple[Path, str | None]], which: str, beside: Beside) -> Listing:
    listing = Listing(layout=dataset)
    for path, split in found:
        if path.name.startswith("._"):
            continue
        clip_id = storable(path.relative_to(folder).with_suffix("").as_posix())
        if path.is_file():
            listing.clips.append(Clip(clip_id, str(path), dataset=dataset, speaker=storable(path.parent.name), split=split))
        else:
            listing.missing.append(clip_id)
    listing.clips.sort(key=lambda clip: clip.clip_id)
    if not listing.clips:
        n = len(listing.missing)
        raise UsageError(f"none of the {n} clips {which} is there" if n else f"there are no clips {which}")
    if beside.audio_root is not None:
        listing.clips = with_sound(listing.clips, beside.audio_root)
    return listing
