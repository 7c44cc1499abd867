"""The closed list of reasons why a clip was not measured, and the errors that carry them.

Knows nothing of files or libraries. Two kinds of trouble: a *clip* that cannot be measured becomes a row with a reason
and the run goes on (`ClipError`); a *command* that cannot be carried out stops before any work (`UsageError`).
Anything else is a bug and stays a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import StrEnum


class Failure(StrEnum):
    """Why a row holds no sync numbers. A new member is a change of the manifest's schema."""

    UNREADABLE = "unreadable"
    NO_VIDEO = "no_video"
    NO_AUDIO = "no_audio"
    NO_FACE = "no_face"
    TOO_SHORT = "too_short"
    SILENT = "silent"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    CRASHED = "crashed"

    @property
    def meaning(self) -> str:
        """One line that says what the code stands for, as shown to users."""
        return _MEANINGS[self]


_MEANINGS = {
    Failure.UNREADABLE: "the file cannot be opened or decoded",
    Failure.NO_VIDEO: "the file has no picture track",
    Failure.NO_AUDIO: "there is no sound where the picture is",
    Failure.NO_FACE: "no face was found in this part",
    Failure.TOO_SHORT: "the face is there for too few images to compare shifts",
    Failure.SILENT: "the sound is digital silence",
    Failure.TIME_LIMIT: "reading stalled for longer than the time limit",
    Failure.MEMORY_LIMIT: "reading needed more memory than the limit",
    Failure.CRASHED: "the decoder crashed on this file",
}


class ClipError(Exception):
    """One clip cannot be measured: the reason from the closed list and a sentence for people."""

    def __init__(self, failure: Failure, detail: str) -> None:
        # Both go to the base class, so that the error can be pickled on its way between processes.
        super().__init__(failure, detail)
        self.failure = failure
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.failure}: {self.detail}"


class UsageError(Exception):
    """The command, a setting or a file the user named is wrong: one sentence, exit code 2, nothing done yet."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """A `UsageError` that names the nearest known spelling, or all known ones where none is near."""
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(choices)}."
    return UsageError(f"unknown {kind} {name!r}; {hint}")
