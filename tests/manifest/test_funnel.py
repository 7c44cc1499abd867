from __future__ import annotations

from typing import Any

import pytest

from syncqc.manifest import store
from syncqc.manifest.blocks import Block
from syncqc.manifest.funnel import Amount, Funnel, Tally
from syncqc.manifest.judge import Judge
from syncqc.manifest.rules import Rules

Row = dict[str, Any]


def row(clip_id: str, part: int = 0, track: int = 0, *, p: float | None = 0.95, offscreen: float = 0.0, **more: Any) -> Row:
    return {
        "clip_id": clip_id, "part_index": part, "track_index": track, "start_s": 4.0 * part, "end_s": 4.0 * part + 4, "speaker": clip_id[0],
        "is_chosen_track": track == 0, "probability_at_offset": p, "offscreen_ratio": offscreen, "offset_frames": 0,
    } | more  # fmt: skip


def failed(clip_id: str, part: int = 0) -> Row:
    return row(clip_id, part, p=None, failure="no_face", is_chosen_track=None)


ROWS = [
    row("a1", 0), row("a1", 0, 1, p=0.99), row("a1", 1, p=0.85), row("a1", 1, 1, p=0.2),
    row("a2", 0, p=0.5, offscreen=0.5), row("a2", 1, offscreen=0.3),
    failed("b1"), row("b1", 1, p=0.93), row("c1", 0, p=0.1),
]  # fmt: skip


def funnel(rows: list[Row], *, apart: bool = False, **rules: Any) -> Funnel:
    tally = Tally(Judge(Rules(**rules)))
    clips = list(dict.fromkeys(row["clip_id"] for row in rows))
    for group in [[clip] for clip in clips] if apart else [clips] if clips else []:
        block = Block(store.table_of([row for row in rows if row["clip_id"] in group]))
        tally.add(block, tally.judge(block))
    return tally.funnel()


@pytest.mark.parametrize("apart", [False, True], ids=["one block", "a block per clip"])
def test_each_rule_takes_rows_first_and_what_vanishes_with_them(apart: bool) -> None:
    found = funnel(ROWS, apart=apart)
    assert found.source == Amount(n_rows=9, n_clips=4, n_speakers=3, length_s=28.0)
    assert [(step.rule, step.takes) for step in found.steps] == [
        ("measured", Amount(1, 0, 0, 4.0)),
        # Another track of a part whose chosen one is still there: rows, but no time.
        ("chosen", Amount(2, 0, 0, 0.0)),
        ("p", Amount(3, 1, 1, 12.0)),
        ("offscreen", Amount(1, 1, 0, 4.0)),
    ]
    assert [step.leaves for step in found.steps] == [
        Amount(8, 4, 3, 24.0), Amount(6, 4, 3, 24.0), Amount(3, 3, 2, 12.0), Amount(2, 2, 2, 8.0),
    ]  # fmt: skip
    assert found.kept == Amount(2, 2, 2, 8.0)
    assert found.not_measured == {"no_face": 1}


def test_what_other_values_of_p_would_keep_is_what_they_keep() -> None:
    found = dict(funnel(ROWS, max_offset=5).instead)
    assert [(p, amount.n_rows, amount.length_s) for p, amount in found.items()] == [(0.8, 3, 12.0), (0.9, 2, 8.0), (0.95, 1, 4.0)]
    for p, amount in found.items():
        kept = funnel(ROWS, p=p, max_offset=5).kept
        assert (amount.n_rows, amount.length_s) == (kept.n_rows, kept.length_s)


def test_the_amounts_of_the_steps_add_up() -> None:
    found = funnel(ROWS, per="clip", min_share=0.5, max_offset=0, min_speech=None)
    assert found.source.n_rows == found.kept.n_rows + sum(step.takes.n_rows for step in found.steps)
    assert found.source.length_s == found.kept.length_s + sum(step.takes.length_s for step in found.steps)
    assert [step.rule for step in found.steps][-1] == "clip"


def test_rows_without_a_speaker_are_of_no_speaker() -> None:
    assert funnel([row("a1", speaker=None), row("b1")]).source.n_speakers == 1


@pytest.mark.parametrize(
    ("rows", "rules", "sentence"),
    [
        ([], {}, "the manifest has no rows"),
        (
            [row("a", p=0.7), row("b", p=0.8123), row("c", p=0.2)],
            {},
            "nothing is left: p (>= 0.9) takes most, 3 of 3 rows; --p 0.812 would keep some",
        ),
        (
            [row("a", offscreen=0.5004), row("b", offscreen=0.6)],
            {},
            "nothing is left: offscreen (<= 0.2) takes most, 2 of 2 rows; --offscreen 0.501 would keep some",
        ),
        (
            [row("a", offset_frames=-7), row("b", offset_frames=9), row("c", p=0.1)],
            {"max_offset": 3},
            "nothing is left: max_offset (-3 to 3) takes most, 2 of 3 rows; --max-offset 7 would keep some",
        ),
        ([failed("a"), failed("b"), row("c", p=0.1)], {}, "measured (all numbers there) takes most, 2 of 3 rows; --p 0.1 would keep some"),
        ([failed("a")], {}, "measured (all numbers there) takes most, 1 of 1 rows; changing one rule alone would keep nothing"),
        ([row("a", p=0.1, offscreen=0.9)], {}, "p (>= 0.9) takes most, 1 of 1 rows; changing one rule alone would keep nothing"),
        ([row("a", 0, 1)], {}, "chosen (true) takes most, 1 of 1 rows; --keep-all-tracks would keep some"),
        ([row("a", is_vfr=True)], {"artefacts": ("vfr",)}, "artefacts: vfr (not vfr) takes most, 1 of 1 rows; leaving out --artefacts"),
        ([row("a"), row("a", 1, p=0.1)], {"per": "clip"}, "--min-share 0.5 would keep a clip"),
        ([row("a", p=0.7), row("a", 1, p=0.1)], {"per": "clip"}, "with --p 0.7 some rows would meet all rules"),
    ],
    ids=["empty", "p", "offscreen", "offset", "most not measured", "none measured", "two rules", "chosen", "artefact", "clip", "no part"],
)
def test_where_nothing_is_left_a_sentence_says_what_takes_most_and_what_would_keep_some(rows: list[Row], rules: Row, sentence: str) -> None:
    found = funnel(rows, **rules)
    assert found.kept.n_rows == 0
    assert sentence in found.why_empty()


@pytest.mark.parametrize(
    ("rows", "rules", "change"),
    [
        ([row("a", p=0.7), row("b", p=0.8123)], {}, {"p": 0.812}),
        ([row("a", offscreen=0.5004), row("b", offscreen=0.6)], {}, {"offscreen": 0.501}),
        ([row("a", offset_frames=-7)], {"max_offset": 3}, {"max_offset": 7}),
        ([row("a"), row("a", 1, p=0.1)], {"per": "clip"}, {"min_share": 0.5}),
        ([row("a"), row("a", 1), row("a", 2, p=0.1)], {"per": "clip"}, {"min_share": 0.666}),
    ],
)
def test_the_way_out_that_is_named_keeps_something(rows: list[Row], rules: Row, change: Row) -> None:
    option, value = next(iter(change.items()))
    assert f"--{option.replace('_', '-')} {value:g} would keep" in funnel(rows, **rules).why_empty()
    assert funnel(rows, **(rules | change)).kept.n_rows > 0
