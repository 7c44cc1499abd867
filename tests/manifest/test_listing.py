from __future__ import annotations

import pytest

from syncqc.errors import UsageError
from syncqc.manifest import store
from syncqc.manifest.listing import check_style, list_lines

ROWS: list[dict[str, object]] = [
    {"clip_id": "dev/mp4/id1/v/00001", "path": "/d/dev/mp4/id1/v/00001.mp4", "speaker": "Anna", "part_index": 0},
    {"clip_id": "dev/mp4/id1/v/00001", "path": "/d/dev/mp4/id1/v/00001.mp4", "speaker": "Anna", "part_index": 1},
    {"clip_id": "dev/mp4/id2/w/00002", "path": "/d/dev/mp4/id2/w/00002.mp4", "resynced_path": "/s/dev/mp4/id2/w/00002.mkv"},
]


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("paths", ["/d/dev/mp4/id1/v/00001.mp4", "/s/dev/mp4/id2/w/00002.mkv"]),
        ("voxceleb", ["Anna id1/v/00001.mp4", "id2 id2/w/00002.mkv"]),
        ("lrs", ["v/00001", "w/00002"]),
    ],
)
def test_a_clip_gives_one_line_in_the_style_asked_for(style: str, expected: list[str]) -> None:
    assert list(list_lines(store.table_of(ROWS), style)) == [line + "\n" for line in expected]


def test_no_rows_give_no_lines() -> None:
    assert list(list_lines(store.table_of([]), "paths")) == []


@pytest.mark.parametrize(
    ("row", "style", "sentence"),
    [
        ({"clip_id": "a/b", "path": "a/b.mp4"}, "voxceleb", "'a/b' has fewer than 3 names; the list style voxceleb needs them"),
        ({"clip_id": "a", "path": "a.mp4"}, "lrs", "'a' has fewer than 2 names"),
        ({"clip_id": "a", "path": "a\nb.mp4"}, "paths", "'a' has a line break in its name"),
    ],
    ids=["too few for voxceleb", "too few for lrs", "line break"],
)
def test_a_clip_that_a_list_cannot_hold_is_refused(row: dict[str, object], style: str, sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        list(list_lines(store.table_of([row]), style))
    assert sentence in str(raised.value)


def test_an_unknown_style_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown list style 'voxceleb2'; did you mean 'voxceleb'"):
        check_style("voxceleb2")
