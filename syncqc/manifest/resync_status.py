"""The closed list of what `syncqc resync` did with a clip, as it stands in the column `resync_status`.

Knows no file and no media.
"""

from __future__ import annotations

from enum import StrEnum


class ResyncStatus(StrEnum):
    """What became of a clip. A new member is a change of the manifest's schema."""

    IN_TIME = "in_time"
    SHIFTED = "shifted"
    VIRTUAL = "virtual"
    DRIFTING = "drifting"
    UNSURE = "unsure"
    NOT_MEASURED = "not_measured"
    FAILED = "failed"

    @property
    def meaning(self) -> str:
        """One line that says what the status stands for, as shown to users."""
        return _MEANINGS[self]


_MEANINGS = {
    ResyncStatus.IN_TIME: "within one image of being in time: its sound is not shifted",
    ResyncStatus.SHIFTED: "written with its sound shifted",
    ResyncStatus.VIRTUAL: "no file was written; whoever reads the manifest shifts the sound",
    ResyncStatus.DRIFTING: "confident parts disagree about the offset: not touched",
    ResyncStatus.UNSURE: "the offset is not sure enough: not touched",
    ResyncStatus.NOT_MEASURED: "no row of the clip was measured: not touched",
    ResyncStatus.FAILED: "it could not be written; `detail` says why",
}
