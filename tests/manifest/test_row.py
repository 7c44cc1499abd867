from __future__ import annotations

import pytest

from syncqc.errors import UsageError
from syncqc.manifest.columns import BY_NAME, COLUMNS
from syncqc.manifest.row import Clip, complete


def test_a_clip_gives_the_columns_known_before_it_is_opened() -> None:
    row = Clip("id1/a", "/data/id1/a.mp4", speaker="id1", dataset_offset_frames=-2).row()
    known = {name: value for name, value in row.items() if value is not None}
    assert known == {"clip_id": "id1/a", "path": "/data/id1/a.mp4", "speaker": "id1", "dataset_offset_frames": -2}
    assert {BY_NAME[name].by for name in row} == {"list"}
    assert set(row) == {column.name for column in COLUMNS if column.by == "list"}


def test_complete_holds_every_column_in_order_and_null_for_what_nobody_wrote() -> None:
    row = complete({"margin": 0.25, "clip_id": "a"})
    assert list(row) == [column.name for column in COLUMNS]
    assert {name: value for name, value in row.items() if value is not None} == {"margin": 0.25, "clip_id": "a"}


def test_complete_leaves_what_it_was_given_alone() -> None:
    given = {"clip_id": "a"}
    complete(given)
    assert given == {"clip_id": "a"}


def test_a_key_that_is_no_column_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="unknown column 'offset_frame'; did you mean 'offset_frames'"):
        complete({"offset_frame": 3})
