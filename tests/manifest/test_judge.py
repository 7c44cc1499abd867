from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, cast

import pyarrow as pa
import pytest

from syncqc.manifest import store
from syncqc.manifest.blocks import Block
from syncqc.manifest.columns import schema
from syncqc.manifest.judge import Judge
from syncqc.manifest.rules import Rules
from syncqc.manifest.select import Thresholds, as_stored

GOOD: dict[str, Any] = {
    "clip_id": "a", "part_index": 0, "track_index": 0, "start_s": 0.0, "end_s": 4.0, "is_chosen_track": True,
    "probability_at_offset": 0.95, "offscreen_ratio": 0.1, "offset_frames": 0, "is_offset_at_edge": False, "speech_ratio": 0.9,
    "frozen_ratio": 0.0, "face_width_px": 100.0, "video_codec": "h264", "is_vfr": False,
}  # fmt: skip
Row = dict[str, Any]


def dropped_by(rows: list[Row], **rules: Any) -> list[str | None]:
    judge = Judge(Rules(**rules))
    block = Block(store.table_of(rows))
    found: list[str | None] = judge.names(block, judge(block)).to_pylist()
    return found


@pytest.mark.parametrize(
    ("change", "rules", "expected"),
    [
        ({}, {}, None),
        ({"failure": "no_face", "probability_at_offset": None, "is_chosen_track": None}, {}, "measured: no_face"),
        ({"probability_at_offset": None}, {}, "measured: probability_at_offset"),
        ({"speech_ratio": None}, {}, None),
        ({"speech_ratio": None, "is_chosen_track": False}, {"min_speech": 0.0}, "measured: speech_ratio"),
        ({"is_vfr": None}, {"artefacts": ("vfr",)}, "measured: is_vfr"),
        ({"is_chosen_track": False, "probability_at_offset": 0.1}, {}, "chosen"),
        ({"is_chosen_track": False, "probability_at_offset": 0.1}, {"keep_all_tracks": True}, "p"),
        ({"is_chosen_track": False}, {"keep_all_tracks": True}, None),
        ({"probability_at_offset": 0.1, "offscreen_ratio": 0.9}, {}, "p"),
        ({"probability_at_offset": 0.1, "offscreen_ratio": 0.9}, {"p": 0.1}, "offscreen"),
        ({"is_vfr": True, "video_codec": "mpeg4"}, {"artefacts": ("mpeg4", "vfr")}, "artefacts: mpeg4"),
    ],
)
def test_a_row_goes_by_the_first_rule_it_does_not_meet(change: Row, rules: Row, expected: str | None) -> None:
    assert dropped_by([GOOD | change], **rules) == [expected]


def parts(*probabilities: float | None, length_s: float = 4.0) -> list[Row]:
    return [
        GOOD
        | {"part_index": i, "start_s": i * length_s, "end_s": (i + 1) * length_s, "probability_at_offset": p}
        | ({"failure": "silent", "is_chosen_track": None} if p is None else {})
        for i, p in enumerate(probabilities)
    ]


@pytest.mark.parametrize(
    ("rows", "min_share", "expected"),
    [
        (parts(0.95, 0.95), 1.0, [None, None]),
        (parts(0.95, 0.1), 1.0, ["clip", "p"]),
        (parts(0.95, 0.1), 0.5, [None, None]),
        (parts(0.95, 0.95, 0.1, 0.1, 0.1), 0.4, [None] * 5),
        (parts(0.95, 0.95, 0.1, 0.1, 0.1), 0.41, ["clip", "clip", "p", "p", "p"]),
        (parts(0.95, None), 0.5, [None, "measured: silent"]),
        (parts(0.95, None), 1.0, ["clip", "measured: silent"]),
        (parts(0.1, 0.1), 0.0, ["p", "p"]),
        ([GOOD, GOOD | {"track_index": 1, "is_chosen_track": False}], 1.0, [None, "chosen"]),
        ([GOOD | {"end_s": 1.0}, GOOD | {"part_index": 1, "start_s": 1.0, "probability_at_offset": 0.1}], 0.25, [None, None]),
        ([GOOD | {"end_s": 1.0}, GOOD | {"part_index": 1, "start_s": 1.0, "probability_at_offset": 0.1}], 0.26, ["clip", "p"]),
    ],
    ids=[
        "all met", "half met", "half is enough", "two fifths are enough", "two fifths are not", "a part not measured",
        "a part not measured and all asked", "nothing met", "another track", "weighted by time", "weighted by time, not enough",
    ],
)  # fmt: skip
def test_a_clip_stays_with_all_rows_of_its_chosen_tracks_or_goes(rows: list[Row], min_share: float, expected: list[str | None]) -> None:
    other = [GOOD | {"clip_id": "b"}]
    assert dropped_by(rows + other, per="clip", min_share=min_share) == [*expected, None]


def test_without_lengths_every_part_of_a_clip_weighs_the_same() -> None:
    rows = [row | {"start_s": None, "end_s": None} for row in parts(0.95, 0.1, 0.1)]
    assert dropped_by(rows, per="clip", min_share=0.3) == [None, None, None]
    assert dropped_by(rows, per="clip", min_share=0.4) == ["clip", "p", "p"]


Test = Callable[[Row], bool]


def asked_by(rules: Rules) -> list[tuple[str, str, Test]]:
    """Name, column and test of every rule, in plain Python."""

    def least(column: str, limit: float) -> Test:
        return lambda row: as_stored(row[column]) >= as_stored(limit)

    def most(column: str, limit: float) -> Test:
        return lambda row: abs(as_stored(row[column])) <= as_stored(limit)

    found: list[tuple[str, str, Test]] = []
    if not rules.keep_all_tracks:
        found.append(("chosen", "is_chosen_track", lambda row: row["is_chosen_track"] is True))
    found.append(("p", "probability_at_offset", least("probability_at_offset", rules.p)))
    found.append(("offscreen", "offscreen_ratio", most("offscreen_ratio", rules.offscreen)))
    if rules.max_offset is not None:
        found.append(("max_offset", "offset_frames", most("offset_frames", rules.max_offset)))
    if rules.no_edge:
        found.append(("no_edge", "is_offset_at_edge", lambda row: row["is_offset_at_edge"] is False))
    if rules.min_speech is not None:
        found.append(("min_speech", "speech_ratio", least("speech_ratio", rules.min_speech)))
    if "vfr" in rules.artefacts:
        found.append(("artefacts: vfr", "is_vfr", lambda row: row["is_vfr"] is False))
    return found


def expected(rows: list[Row], rules: Rules) -> list[str | None]:
    """The verdicts, row by row and clip by clip."""
    asked = asked_by(rules)

    def first_unmet(row: Row) -> str | None:
        missing = row["failure"] or next((column for _, column, _ in asked if row[column] is None), None)
        return f"measured: {missing}" if missing else next((name for name, _, is_met in asked if not is_met(row)), None)

    unmet = [first_unmet(row) for row in rows]
    if rules.per == "row":
        return unmet
    verdicts: list[str | None] = []
    for clip in dict.fromkeys(row["clip_id"] for row in rows):
        of_clip = [(row, found) for row, found in zip(rows, unmet, strict=True) if row["clip_id"] == clip]
        spans = {part: [row for row, _ in of_clip if row["part_index"] == part] for part in {row["part_index"] for row, _ in of_clip}}
        lengths = {part: max(row["end_s"] for row in span) - min(row["start_s"] for row in span) for part, span in spans.items()}
        met_s = sum(length for part, length in lengths.items() if any(f is None for row, f in of_clip if row["part_index"] == part))
        stays = met_s > 0 and met_s / sum(lengths.values()) >= rules.min_share - 1e-6
        for _, found in of_clip:
            is_one_of_its_rows = found is None or not (found == "chosen" or found.startswith("measured"))
            verdicts.append((None if is_one_of_its_rows else found) if stays else found or "clip")
    return verdicts


def random_rows(draw: random.Random) -> list[Row]:
    rows = []
    for clip in range(draw.randint(1, 4)):
        for part in range(draw.randint(1, 3)):
            chosen = draw.randint(0, 2)
            for track in range(draw.randint(1, 3)):
                start_s = part * 4 + draw.choice([0, 0, 1])
                row: Row = {
                    "clip_id": f"{clip}", "part_index": part, "track_index": track, "start_s": float(start_s),
                    "end_s": float(start_s + draw.choice([1, 2, 4])), "is_chosen_track": draw.choice([*[chosen == track] * 6, None]),
                    "failure": draw.choice([None] * 9 + ["no_face"]), "probability_at_offset": draw.choice([0.8, 0.9, *[0.95] * 4, None]),
                    "offscreen_ratio": draw.choice([*[0.0] * 5, 0.1, 0.2, 0.3, None]),
                    "offset_frames": draw.choice([-2, *[0] * 4, 1, 5, None]),
                    "is_offset_at_edge": draw.choice([*[False] * 6, True, None]), "speech_ratio": draw.choice([0.3, 0.9, None]),
                    "is_vfr": draw.choice([*[False] * 6, True, None]), "speaker": draw.choice(["x", "y", None]),
                }  # fmt: skip
                rows.append(row)
    return rows


def random_rules(draw: random.Random) -> Rules:
    return Rules(
        p=draw.choice([0.0, 0.8, 0.9, 0.95]), offscreen=draw.choice([0.1, 0.2, 1.0]), max_offset=draw.choice([None, None, 1, 5]),
        no_edge=draw.random() < 0.3, min_speech=draw.choice([None, None, 0.3]), artefacts=draw.choice([(), (), ("vfr",)]),
        keep_all_tracks=draw.random() < 0.3, per=draw.choice(["row", "clip"]), min_share=draw.choice([0.0, 0.5, 1.0]),
    )  # fmt: skip


def test_a_thousand_random_manifests_are_judged_as_by_hand() -> None:
    of = pa.schema([schema().field(name) for name in random_rows(random.Random(0))[0]])
    n_kept = n_dropped = 0
    for seed in range(1000):
        draw = random.Random(seed)
        rows, rules = random_rows(draw), random_rules(draw)
        judge = Judge(rules)
        block = Block(store.lines_table(rows, of))
        judged = judge(block)
        assert judge.names(block, judged).to_pylist() == expected(rows, rules), f"seed {seed}: {rules}"
        kept = judged.taken_by == len(judge.steps)
        for p, instead in zip((0.8, 0.9, 0.95), judged.kept_instead, strict=True):
            if p == rules.p:
                assert (instead == kept).all(), f"seed {seed}: {rules}"
        n_kept += int(kept.sum())
        n_dropped += int((~kept).sum())
    assert min(n_kept, n_dropped) > 1000


def test_a_row_is_kept_by_the_defaults_where_it_is_good() -> None:
    for seed in range(100):
        rows = [row | {"failure": None} for row in random_rows(random.Random(seed))]
        kept = [found is None for found in dropped_by(rows)]
        stored = cast(list[Row], store.table_of(rows).to_pylist())
        assert kept == [Thresholds().is_good(row) for row in stored]
