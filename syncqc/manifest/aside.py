"""A file that is there as a whole or not at all: written beside its place, put on the disk, then renamed.

Knows no format.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_aside(path: Path, *, keeps_suffix: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to; renamed to `path` when it is safely on the disk, removed where anything was raised.

    It ends in ``.part``, or, for writers that go by the suffix, in ``.part`` and that of `path` (`keeps_suffix`).
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part{path.suffix if keeps_suffix else ''}")
    try:
        yield aside
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
