"""A row of the manifest while it is being filled, and the input it speaks of.

Knows no stage and no file format: a row is a dict whose keys are column names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

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
    split: str | None = None
    audio_start_s: float | None = None
    """Time in the file of `audio_path` that belongs to the start of the video file; None: 0."""
    dataset_offset_frames: int | None = None
    """The offset that the dataset itself gives; sign as everywhere."""
    listed_face_x: float | None = None
    """Where the dataset's list says that the face is, its centre as a share of the picture; None: it says nothing."""
    listed_face_y: float | None = None

    def row(self) -> Row:
        """The columns that are known before the file is opened."""
        return {item.name: getattr(self, item.name) for item in fields(Clip)}


def complete(row: Mapping[str, object]) -> Row:
    """The row with every column of the schema, in its order; what nobody wrote is None.

    Raises:
        UsageError: a key is no column.
    """
    for name in row:
        if name not in BY_NAME:
            raise unknown_name("column", name, BY_NAME)
    return {column.name: row.get(column.name) for column in COLUMNS}
