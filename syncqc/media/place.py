"""A clip that needs no repair, put where the repaired ones are: as a copy or as a link, whole or not at all.

Knows nothing of what is in the file. The source is never opened for writing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from pathlib import Path
from typing import Literal

from syncqc.errors import ClipError, Failure, UsageError
from syncqc.manifest.aside import written_aside

How = Literal["copy", "hard", "sym"]

_FICLONE = 0x40049409
_NO_CLONES = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM, errno.ETXTBSY}
_NO_LINKS = {errno.EXDEV: "lies on another file system", errno.EPERM: "may not be linked", errno.EMLINK: "has too many links"}


def place(source: Path, out: Path, how: How) -> str:
    """What `out` has become: ``reflink`` (a copy that shares its blocks with the source), ``copy``, ``hard`` or ``sym``.

    A copy is tried as a reflink first; both have the source's mode and modification time. A symbolic link holds the source's
    absolute path with every link in it followed, so it holds wherever `out` is moved to, and breaks when the source moves.
    Folders are made; a file at `out` is replaced once the new one is whole.

    Raises:
        ClipError: the source is no regular file or cannot be read.
        UsageError: `out` is the source, or the file system cannot link.
    """
    if not source.is_file():
        raise ClipError(Failure.UNREADABLE, "not a regular file")
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.parent.resolve() / out.name == source.resolve():
        raise UsageError(f"{out} is the source; files of a source are never written")
    try:
        with written_aside(out) as aside:
            done = _put(source, aside, how)
    except PermissionError as error:
        raise ClipError(Failure.UNREADABLE, f"cannot be read: {error.strerror}") from error
    return done


def _put(source: Path, aside: Path, how: How) -> str:
    if how == "sym":
        aside.symlink_to(source.resolve())
        return "sym"
    if how == "hard":
        try:
            os.link(source.resolve(), aside)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            raise UsageError(f"no hard link: {source} {_NO_LINKS[error.errno]}; copy, or link symbolically") from error
        return "hard"
    done = _copied(source, aside)
    shutil.copystat(source, aside)
    return done


def _copied(source: Path, aside: Path) -> str:
    with source.open("rb") as given, aside.open("wb") as written:
        try:
            fcntl.ioctl(written.fileno(), _FICLONE, given.fileno())
        except OSError as error:
            if error.errno not in _NO_CLONES:
                raise
        else:
            return "reflink"
        shutil.copyfileobj(given, written, 1 << 20)
    return "copy"
