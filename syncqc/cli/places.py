"""Whether the place a command is to write to can be written, asked before any work; and writing there as a whole or not at all.

Knows files and folders; nothing of what is written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from syncqc.errors import UsageError


def check_file(out: Path, *suffixes: str, name: str = "--out", inputs: Iterable[Path] = ()) -> None:
    """Nothing, when a file can be made at `out`; whether one is there already is for `refuse_present` to judge.

    `name` is what a message calls the place: an option, or words.

    Raises:
        UsageError: one of the inputs, another suffix, a folder, no folder to write into, or one that cannot be written.
    """
    if any(out.exists() and path.exists() and out.samefile(path) for path in inputs):
        raise UsageError(f"{out} is an input; choose another {name if name.startswith('-') else f'name for {name}'}")
    if out.suffix.lower() not in suffixes:
        raise UsageError(f"{name} must end in {suffixes[0]}, not {out.name}")
    if out.is_dir():
        raise UsageError(f"{out} is a folder; {name} must name a file")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent} to write {out.name} into")
    _try(out.parent)


def refuse_present(out: Path, force: bool) -> None:
    """Nothing, when `out` is not there yet, or may be replaced.

    Raises:
        UsageError: it may not.
    """
    if out.exists() and not force:
        raise UsageError(f"{out} is already there; --force replaces it")


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
    """The file holds the text, or is as it was before. Half a character, from a file name that is no UTF-8, becomes a question mark.

    Raises:
        UsageError: it cannot be written.
    """
    from syncqc.manifest.store import write_aside

    def write(aside: Path) -> None:
        aside.write_bytes(text.encode("utf-8", "replace"))

    try:
        write_aside(out, write)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None
