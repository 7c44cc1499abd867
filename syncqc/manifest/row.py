"""A row of the manifest while it is being filled, and the input it speaks of.

Knows no stage and no file format: a row is a dict whose keys are column names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syncqc.errors import unknown_name
from syncqc.manifest.columns import BY_NAME, COLUMNS

Row = dict[str, object]


@dataclass(frozen=True)
class Clip:
    """One input of a run: where its picture and its sound are, and under which name it stands in the manifest."""

    clip_id: str
    path: str
    audio_path: str | None = None
    dataset: str | None = None
    speaker: str | None = None

    def row(self) -> Row:
        """The columns that are known before the file is opened."""
        return {
            "clip_id": self.clip_id,
            "path": self.path,
            "audio_path": self.audio_path,
            "dataset": self.dataset,
            "speaker": self.speaker,
        }


def complete(row: Mapping[str, object]) -> Row:
    """The row with every column of the schema, in its order; what nobody wrote is None.

    Raises:
        UsageError: a key is no column.
    """
    for name in row:
        if name not in BY_NAME:
            raise unknown_name("column", name, BY_NAME)
    return {column.name: row.get(column.name) for column in COLUMNS}
