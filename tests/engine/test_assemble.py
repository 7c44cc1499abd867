from __future__ import annotations

import random

import pytest
from fake_plan import FakePool, FakeRead, FakeScore, fake_clips
from hypothesis import given
from hypothesis import strategies as st

from syncqc.engine.assemble import Assembly, ClipResult, Measured, measured, run_far
from syncqc.engine.near import read_parts
from syncqc.engine.plan import Near
from syncqc.errors import ClipError, Failure
from syncqc.manifest.row import Clip, Row
from syncqc.stages.base import Stage
from syncqc.stages.part import Part


class Raises(Stage):
    """Fails on the parts whose index is in `bad`, by itself or with others."""

    def __init__(self, error: Exception, bad: set[int]) -> None:
        self.error, self.bad = error, bad

    def __call__(self, parts: list[Part]) -> list[Part]:
        if self.bad & {part.part_index for part in parts}:
            raise self.error
        for part in parts:
            part.row["n_windows"] = 1
        return parts


class Loses(Stage):
    def __call__(self, parts: list[Part]) -> list[Part]:
        return parts[1:]


def parts(n: int) -> list[Part]:
    clip = Clip("a", "a.mp4")
    return [Part(clip, i, n, 10 * i, 10) for i in range(n)]


@pytest.mark.parametrize(
    ("error", "failure", "detail"),
    [
        (RuntimeError("a bug"), Failure.CRASHED, "RuntimeError: a bug"),
        (MemoryError("too much"), Failure.MEMORY_LIMIT, "MemoryError: too much"),
        (ClipError(Failure.SILENT, "no voice"), Failure.SILENT, "no voice"),
    ],
    ids=["bug", "memory", "clip"],
)
def test_only_the_part_that_makes_a_stage_raise_fails(error: Exception, failure: Failure, detail: str) -> None:
    done = run_far([Raises(error, {1})], parts(3))
    assert [(part.failure, part.detail) for part in done] == [(None, None), (failure, detail), (None, None)]
    assert [part.row.get("n_windows") for part in done] == [1, None, 1]


def test_a_stage_that_loses_parts_is_a_bug_with_its_name() -> None:
    with pytest.raises(AssertionError, match="Loses gave 2 parts for 3"):
        run_far([Loses()], parts(3))


def test_no_parts_need_no_stage() -> None:
    assert run_far([Raises(RuntimeError(), set())], []) == []


@given(order=st.randoms(use_true_random=False), counts=st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_clips_are_whole_and_in_part_order_however_their_parts_arrive(order: random.Random, counts: list[int]) -> None:
    clips = fake_clips(*[f"ok-{n}" for n in counts])
    pieces: list[tuple[int, int | None, int | None]] = [(i, part, None) for i, n in enumerate(counts) for part in range(n)]
    pieces += [(i, None, n) for i, n in enumerate(counts)] + pieces[:2]  # some twice
    order.shuffle(pieces)
    assembly = Assembly([])
    results: dict[str, ClipResult] = {}
    closed: set[int] = set()
    for number, part, n_given in pieces:
        if number in closed:
            continue
        piece = None if part is None else Measured(part, [{"clip_id": clips[number].clip_id, "part_index": part}], [], [])
        for result in assembly.add(number, clips[number], piece, n_given):
            assert result.clip.clip_id not in results
            results[result.clip.clip_id] = result
            closed.add(number)
    assert {name: [row["part_index"] for row in result.rows] for name, result in results.items()} == {
        clip.clip_id: list(range(n)) for clip, n in zip(clips, counts, strict=True)
    }


def test_matrices_are_kept_only_where_asked_for() -> None:
    near = Near(FakeRead())
    from fake_plan import FakeFaces

    (part,) = run_far([FakeScore()], list(read_parts(Near(near.source, (FakeFaces(),)), fake_clips("ok-1")[0])))
    assert measured(part).similarities == []
    assert [line["n_windows"] for line in measured(part, keep_similarity=True).similarities] == [6, 6]


@pytest.mark.parametrize(
    ("rows", "failure", "duration_s"),
    [
        ([{"failure": "no_face", "end_s": 5.0}, {"failure": None, "end_s": 10.0}], None, 10.0),
        ([{"failure": "no_face", "duration_s": 12.0}, {"failure": "silent", "end_s": 10.0}], "no_face", 12.0),
        ([{"failure": "unreadable"}], "unreadable", 0.0),
    ],
    ids=["partly", "not at all", "unreadable"],
)
def test_a_clip_failed_where_none_of_its_rows_was_measured(rows: list[Row], failure: str | None, duration_s: float) -> None:
    result = ClipResult(Clip("a", "a"), rows)
    assert (result.failure, result.duration_s) == (failure, duration_s)


def test_closing_stages_follow_each_other() -> None:
    assembly = Assembly([FakePool(), FakePool()])
    (result,) = assembly.add(0, Clip("a", "a"), Measured(0, [{"offset_frames": 3, "part_index": 0}], [], []), 1)
    assert result.rows[0]["clip_offset_frames"] == 3


def test_what_is_kept_of_tracks_comes_out_with_their_clip_in_the_order_of_the_parts() -> None:
    clip = Clip("a", "a.mp4")
    assembly = Assembly([])
    (one, two) = (Measured(i, [{"part_index": i}], [], [], [{"track_index": t} for t in range(i + 1)]) for i in (0, 1))
    assert list(assembly.add(0, clip, two)) == []
    assert list(assembly.add(0, clip, n_given=2)) == []
    (whole,) = assembly.add(0, clip, one)
    assert whole.kept == [{"track_index": 0}, {"track_index": 0}, {"track_index": 1}]
