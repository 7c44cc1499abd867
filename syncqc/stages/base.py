"""The contract of a stage: what it reads, writes and needs, and how it is called.

Knows no particular stage. A plan is checked against `reads` and `writes` before a video is opened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from syncqc.manifest.columns import Column
from syncqc.manifest.row import Clip, Row
from syncqc.stages.part import Part


@dataclass(frozen=True)
class Payload:
    """Something other than a column that stages hand on; one that does not `travel` stays in its process."""

    name: str
    travels: bool


IMAGES = Payload("images", travels=False)
SOUND = Payload("sound", travels=False)
MEL = Payload("mel", travels=True)
CROPS = Payload("crops", travels=True)
KEPT = Payload("kept", travels=True)


@dataclass(frozen=True)
class Resources:
    """What one worker of a stage needs: CPU cores and a share of a GPU."""

    cpus: float = 1.0
    gpus: float = 0.0


class Stage(ABC):
    """Parts in, the same parts out, in the same order; never raises for one bad clip.

    Subclasses are dataclasses whose fields are their settings, so that a stage can be printed, compared and pickled.
    """

    reads: ClassVar[tuple[Column | Payload, ...]] = ()
    writes: ClassVar[tuple[Column | Payload, ...]] = ()
    needs: ClassVar[Resources] = Resources()

    def open(self) -> None:  # noqa: B027  (most stages have nothing to load)
        """Loads what the stage keeps for the life of its worker; called once, in the worker."""

    @abstractmethod
    def __call__(self, parts: list[Part]) -> list[Part]:
        """The same parts, further filled."""


class Source(ABC):
    """One clip in, its parts out, one at a time, so that memory does not grow with the clip's length."""

    writes: ClassVar[tuple[Column | Payload, ...]] = ()
    needs: ClassVar[Resources] = Resources()

    @abstractmethod
    def __call__(self, clip: Clip) -> Iterator[Part]:
        """The parts of the clip in order; at least one; never raises for a bad clip."""


class Closing(ABC):
    """All rows of one clip in, the same rows out, with the columns that speak of the whole clip."""

    reads: ClassVar[tuple[Column, ...]] = ()
    writes: ClassVar[tuple[Column, ...]] = ()

    @abstractmethod
    def __call__(self, rows: list[Row]) -> list[Row]:
        """The same rows in the same order, further filled."""
