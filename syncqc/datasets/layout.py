"""Which published set a folder holds, told by its folders and names, and the clips of it, of a folder or of a list.

A layout is a class with the members of `Layout` and a place in `LAYOUTS`; the first that recognises a folder reads it. Knows no set itself.
"""

from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path
from typing import Protocol

from syncqc.datasets.avspeech import AvSpeech
from syncqc.datasets.folder import list_clips
from syncqc.datasets.listing import FOLDER, Beside, Listing, archives_in, keep_split, refuse_archive, refuse_equal_names, tell
from syncqc.datasets.lrs import Lrs2, Lrs3
from syncqc.datasets.talkinghead1kh import TalkingHead1kh
from syncqc.datasets.voxceleb2 import VoxCeleb2
from syncqc.errors import UsageError, unknown_name
from syncqc.manifest.row import Clip

log = logging.getLogger(__name__)


class Layout(Protocol):
    """How one published set lies on disk."""

    @property
    def name(self) -> str:
        """What stands in the column ``dataset``."""

    @property
    def splits(self) -> tuple[str, ...]:
        """The names that its authors give to its splits."""

    @property
    def takes(self) -> frozenset[str]:
        """Which fields of `Beside` say something about this set."""

    def recognises(self, folder: Path) -> str | None:
        """What shows that the folder holds this set or a part of it, in words; looks at few names and opens no clip."""

    def clips(self, folder: Path, split: str | None, beside: Beside) -> Listing:
        """The clips of a split, or all, with what the set says of them; sorted by clip_id, the path relative to the folder without suffix.

        Raises:
            UsageError: the folder is no such set, what is named beside it is missing or wrong, or there are no such clips.
        """


LAYOUTS: tuple[Layout, ...] = (Lrs2(), Lrs3(), VoxCeleb2(), TalkingHead1kh(), AvSpeech())


def layout_of(folder: Path) -> Layout | None:
    """The set that the folder holds; None where none is recognised."""
    return next((layout for layout in LAYOUTS if folder.is_dir() and layout.recognises(folder)), None)


def list_source(
    source: Path,
    *,
    layout: str | None = None,
    split: str | None = None,
    audio_root: Path | None = None,
    segments: Path | None = None,
    chunks: Path | None = None,
) -> Listing:
    """The clips of a published set, of any other folder, of a list or of one file, as `Layout` and `list_clips` say.

    `layout` is a set's name, or ``folder`` for none; without it a folder is looked at. All splits where none is named. A list's splits
    are those in its column ``split``.

    Raises:
        UsageError: nothing there, an unknown or wrong layout or split, an option that says nothing about the source, or no clip.
    """
    if not source.exists():
        raise UsageError(f"there is no file or folder {source}")
    refuse_archive(source)
    beside = Beside(audio_root, segments, chunks)
    chosen, recognised_by = _chosen(source, layout, beside)
    _refuse_useless(chosen, beside)
    if chosen is None:
        listing = list_clips(source, audio_root)
        if split is not None:
            known = sorted({clip.split for clip in listing.clips if clip.split})
            if not known:
                sets = ", ".join(one.name for one in LAYOUTS)
                raise UsageError(f"{source} is not laid out as a set that comes with splits ({sets}); leave --split out")
            keep_split(listing, split, known, source)
    else:
        if split is not None and split not in chosen.splits:
            raise unknown_name(f"split of {chosen.name}", split, chosen.splits)
        listing = chosen.clips(source, split, beside)
        if not listing.clips:
            raise UsageError(f"there are no videos of {chosen.name} in {source}")
        refuse_equal_names(listing.clips)
        listing.archives += [name for name in archives_in(source) if name not in listing.archives]
        tell(listing, source)
    listing.recognised_by = recognised_by
    log.info("%s", listing.told())
    return listing


def clips_of(source: Path, split: str | None) -> list[Clip]:
    """The clips of one split of a published set, or, of any other source, all clips as `list_source` gives them.

    Raises:
        UsageError: several splits and none chosen, a source without splits and one chosen, an unknown split, or no clip.
    """
    listing = list_source(source, split=split)
    found = {clip.split for clip in listing.clips}
    if split is None and listing.layout != FOLDER and len(found) > 1:
        splits = next(layout.splits for layout in LAYOUTS if layout.name == listing.layout)
        raise UsageError(f"{source} is {listing.layout}; choose one of its splits with --split: {', '.join(splits)}")
    return listing.clips


def _chosen(source: Path, name: str | None, beside: Beside) -> tuple[Layout | None, str | None]:
    """The layout, and what told it where nobody named it."""
    names = {layout.name: layout for layout in LAYOUTS}
    if name is not None:
        if name not in (FOLDER, *names):
            raise unknown_name("layout", name, (FOLDER, *names))
        if name != FOLDER and not source.is_dir():
            raise UsageError(f"--layout {name} speaks of a folder, and {source} is a file")
        return names.get(name), None
    if not source.is_dir():
        return None, None
    for layout in LAYOUTS:
        if told := layout.recognises(source):
            return layout, told
    for option, layout_name in (("segments", "avspeech"), ("chunks", "talkinghead1kh")):
        if getattr(beside, option) is not None:
            return names[layout_name], f"--{option}"
    return None, None


def _refuse_useless(layout: Layout | None, beside: Beside) -> None:
    takes = layout.takes if layout else frozenset({"audio_root"})
    for item in fields(Beside):
        if getattr(beside, item.name) is not None and item.name not in takes:
            whose = ", ".join(one.name for one in LAYOUTS if item.name in one.takes)
            what = layout.name if layout else "any other folder or list"
            raise UsageError(f"--{item.name.replace('_', '-')} says nothing about {what}; it belongs to {whose}")
