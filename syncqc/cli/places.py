"""Whether the place a command is to write to can be written, asked before any work; and writing there as a whole or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path

from syncqc.errors import UsageError


def check_file(out: Path, suffix: str) -> None:
    """Nothing, when a file can be made at `out`; whether one is there already is the caller's to judge.

    Raises:
        UsageError: another suffix, a folder, no folder to write into, or one that cannot be written.
    """
    if out.suffix != suffix:
        raise UsageError(f"--out must end in {suffix}, not {out.name}")
    if out.is_dir():
        raise UsageError(f"{out} is a folder; --out must name a file")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent} to write {out.name} into")
    _try(out.parent)


def make_folder(folder: Path) -> None:
    """The folder is there and can be written.

    Raises:
        UsageError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}") from None
    _try(folder)


def _try(folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(bytes(4096))
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}") from None


def write_text(out: Path, text: str) -> None:
    """The file holds the text, or is as it was before.

    Raises:
        UsageError: it cannot be written.
    """
    from syncqc.manifest.store import write_aside

    def write(aside: Path) -> None:
        aside.write_text(text, encoding="utf-8")

    try:
        write_aside(out, write)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from None
