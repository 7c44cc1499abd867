"""The list of kept clips that trainers read: one line per clip.

Knows the layouts of such lists; nothing of rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from syncqc.errors import UsageError, unknown_name

LIST_STYLES = {
    "paths": "the path of the video as in the manifest, of the repaired one where there is one",
    "voxceleb": "`SPEAKER ID/VIDEO/NUMBER.SUFFIX`: the speaker (where the manifest names none, ID), then the last three names "
    "of the clip_id with the suffix of the path",
    "lrs": "`ID/NUMBER`: the last two names of the clip_id",
}
"""The styles and what a line holds."""
LIST_COLUMNS = ("path", "resynced_path")
"""The columns that lines are made of, beside those that say where a row is."""


def check_style(style: str) -> None:
    """Refuses an unknown style.

    Raises:
        UsageError: unknown.
    """
    if style not in LIST_STYLES:
        raise unknown_name("list style", style, LIST_STYLES)


def list_lines(rows: pa.Table, style: str) -> Iterator[str]:
    """One line per clip of the rows, which hold a clip's rows together; a clip's first row speaks for it.

    Raises:
        UsageError: a clip_id has too few names for the style, or a line break would break the list.
    """
    if not rows.num_rows:
        return
    clip_ids = rows.column("clip_id").combine_chunks()
    is_first = pa.concat_arrays([pa.array([True]), pc.not_equal(clip_ids[1:], clip_ids[:-1])])
    for row in rows.select(["clip_id", "speaker", *LIST_COLUMNS]).filter(is_first).to_pylist():
        line = _line(row, style)
        if "\n" in line or "\r" in line:
            raise UsageError(f"the clip {row['clip_id']!r} has a line break in its name; a list cannot hold it")
        yield line + "\n"


def _line(row: dict[str, str | None], style: str) -> str:
    path = row["resynced_path"] or row["path"] or ""
    if style == "paths":
        return path
    names = PurePosixPath(row["clip_id"] or "").parts
    n_names = 3 if style == "voxceleb" else 2
    if len(names) < n_names:
        raise UsageError(f"the clip_id {row['clip_id']!r} has fewer than {n_names} names; the list style {style} needs them")
    place = "/".join(names[-n_names:])
    return f"{row['speaker'] or names[-3]} {place}{PurePosixPath(path).suffix}" if style == "voxceleb" else place
