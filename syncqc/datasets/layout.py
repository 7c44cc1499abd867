"""Which published set a folder holds, told by its folders, and the clips of one split of it.

A layout is a class with the members of `Layout` and a place in `LAYOUTS`; the first that recognises a folder reads it. Knows no set itself
and opens no clip.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

from syncqc.datasets.folder import Listing, list_clips
from syncqc.datasets.lrs import Lrs2, Lrs3
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

    def recognises(self, folder: Path) -> bool:
        """Whether the folder holds this set, or a part of it; looks at few names and opens no file."""

    def clips(self, folder: Path, split: str) -> Listing:
        """The clips of a split with dataset and speaker, sorted by clip_id, the path relative to the folder without suffix.

        Raises:
            UsageError: the split's list or folder is missing or wrong, or none of its clips is there.
        """


LAYOUTS: tuple[Layout, ...] = (Lrs2(), Lrs3())


def layout_of(folder: Path) -> Layout | None:
    """The set that the folder holds; None where none is recognised."""
    return next((layout for layout in LAYOUTS if folder.is_dir() and layout.recognises(folder)), None)


def clips_of(source: Path, split: str | None) -> list[Clip]:
    """The clips of one split of a published set, or, of any other source, all clips as `list_clips` gives them.

    Raises:
        UsageError: a set without a split, another source with one, an unknown split, or no clip.
    """
    layout = layout_of(source)
    if layout is None:
        if split is not None and source.exists():
            known = ", ".join(one.name for one in LAYOUTS)
            raise UsageError(f"{source} is not laid out as a set that comes with splits ({known}); leave --split out")
        return list_clips(source).clips
    if split is None:
        raise UsageError(f"{source} is {layout.name}; choose one of its splits with --split: {', '.join(layout.splits)}")
    if split not in layout.splits:
        raise unknown_name(f"split of {layout.name}", split, layout.splits)
    listing = layout.clips(source, split)
    if listing.missing:
        n = len(listing.missing) + len(listing.clips)
        what = f"the {n} clips that the list of {layout.name} {split} names"
        log.warning("%d of %s are not there, the first is %s", len(listing.missing), what, listing.missing[0])
    return listing.clips
