from __future__ import annotations

import io

import pytest
from rich.console import Console

from syncqc.cli.score_summary import Summary, failure_table, hours
from syncqc.manifest.row import Row

GOOD: Row = {"is_chosen_track": True, "probability_at_offset": 0.95, "offscreen_ratio": 0.1, "offset_frames": 0}


def row(clip: str, part: int, **more: object) -> Row:
    return {"clip_id": clip, "part_index": part, "start_s": 5.0 * part, "end_s": 5.0 * part + 5, **more}


ROWS = [
    row("a", 0, **GOOD),
    row("a", 0, **GOOD | {"is_chosen_track": False}),
    row("a", 1, **GOOD | {"offset_frames": -4}),
    row("b", 0, failure="no_face"),
    row("b", 1, **GOOD | {"probability_at_offset": 0.2}),
    row("c", 0, failure="no_face"),
    row("c", 1, failure="silent"),
    {"clip_id": "d", "part_index": 0, "failure": "unreadable"},
]


def test_rows_and_clips_are_counted_apart() -> None:
    found = Summary.of(ROWS)
    assert (found.n_clips, found.n_rows, found.n_measured, found.n_failed_clips) == (4, 8, 4, 2)
    assert (found.n_in_time, found.n_off, found.good_s) == (1, 1, 10.0)
    assert dict(found.failed_clips) == {"no_face": 1, "unreadable": 1}
    assert dict(found.failed_rows) == {"no_face": 2, "silent": 1, "unreadable": 1}
    assert found.failed_share == 0.5


def test_a_part_lasts_from_its_first_track_to_its_last_once() -> None:
    assert Summary.of(ROWS).scored_s == 30.0
    cut = [{"clip_id": "e", "part_index": 0, "start_s": start, "end_s": end} for start, end in ((0.0, 3.0), (0.0, 2.0), (3.0, 5.0))]
    assert Summary.of(cut).scored_s == 5.0


def test_the_table_names_each_reason_with_its_meaning() -> None:
    table = failure_table(Summary.of(ROWS))
    assert table is not None
    written = io.StringIO()
    Console(width=120, file=written).print(table)
    lines = [line.split() for line in written.getvalue().splitlines()]
    assert [line[:4] for line in lines[1:]] == [
        ["no_face", "1", "25.0%", "2"],
        ["silent", "0", "0.0%", "1"],
        ["unreadable", "1", "25.0%", "1"],
    ]


def test_no_failures_need_no_table() -> None:
    assert failure_table(Summary.of(ROWS[:2])) is None


def test_nothing_is_counted_as_nothing() -> None:
    assert (Summary.of([]).n_clips, Summary.of([]).failed_share) == (0, 0.0)


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (89, "89 s"), (90, "1.5 min"), (5399, "90.0 min"), (8100, "2.25 h")])
def test_lengths_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert hours(seconds) == said
