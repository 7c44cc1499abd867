from __future__ import annotations

from typing import Any

import pytest

from syncqc.train.evaluate import Section
from syncqc.train.evaluation_words import HEADING, PUBLISHED, page

KS = (5, 7, 9, 11, 13, 15)


def cell(macro: float | None, n_clips: int = 2, n_windows: int = 90) -> dict[str, Any]:
    micro, chance = (None, None) if macro is None else (macro - 0.1, 0.1)
    interval = None if macro is None or n_clips < 2 else [macro - 0.05, macro + 0.05]
    return {
        "n_clips": n_clips, "n_windows": n_windows, "macro": macro, "macro_interval95": interval, "micro": micro,
        "micro_interval95": None, "chance_macro": chance, "chance_micro": chance,
    }  # fmt: skip


def group(own: float | None, zero: float | None, n_clips: int = 2, judged: int = 2, ks: tuple[int, ...] = KS) -> dict[str, Any]:
    return {
        "n_clips": n_clips, "n_speakers": 2, "n_windows": 100, "own_offsets": {"-2": 1, "0": 3, "1": 1},
        "around_own_offset": {f"K={k}": cell(own, judged) for k in ks}, "around_zero": {f"K={k}": cell(zero, judged, 100) for k in ks},
    }  # fmt: skip


def about(name: str = "strict", source: str = "lrs2", ks: tuple[int, ...] = KS) -> dict[str, Any]:
    line = {"n_stretches": 4, "foreign_auc": 0.5}
    for key in ("offset_follows_rows", "offset_follows_clips", "foreign_follows_rows", "offset_agrees_with_clip", "foreign_lower_share"):
        line |= {key: 0.25, f"{key}_interval95": [0.2, 0.3]}
    nothing = {key: None if key != "n_stretches" else 0 for key in line}
    rows = {"n_clips": 2, "n_speakers": 2, "rows": line, "by_duration": [{"duration_s": 1.5, **line}, {"duration_s": 5.0, **nothing}]}
    return {
        "command": "syncqc evaluate mine x", "model": "mine", "weights_sha256": "0123456789abcdef", "n_clips_read": 5,
        "made_with": {"syncqc": "9.9"},
        "protocol": {
            "name": name, "w": 15, "tolerance_images": 1, "zero_offset_frames": 1, "clips_left_out": {"no_face": 2, "no_audio": 1},
            "all": group(0.8, 0.7, ks=ks), "by_source": {source: group(0.8, 0.7, ks=ks)},
            "by_speaker": {"an|na": group(0.8, 0.7, ks=ks), "bert": group(0.6, None, 1, 1, ks=ks)},
        },
        "figures": {"all": rows},
    }  # fmt: skip


def section(text: str, title: str) -> list[str]:
    """The lines of a table under a heading."""
    after = text.split(f" {title}\n", 1)[1]
    return [line for line in after.split("\n#", 1)[0].splitlines() if line.startswith("|")]


def test_the_page_begins_with_the_model_the_command_and_what_was_left_out() -> None:
    text = page(about())
    assert text.startswith(f"{HEADING}mine\n\n```\nsyncqc evaluate mine x\n```\n\n")
    assert "5 clips were read; in 3 nothing could be judged (no_face 2, no_audio 1)." in text
    assert "weights 0123456789ab." in text
    assert "Of this model's offsets 1 is taken off." in text


@pytest.mark.parametrize(
    ("title", "line"),
    [
        ("Around each clip's own offset, by clip", "| **all** | 2 | 90 of 100 | 80.0 (75.0-85.0) |"),
        ("Around each clip's own offset, by window", "| **all** | 2 | 90 of 100 | 70.0 |"),
        ("Around zero, by clip", "| **all** | 2 | 100 | 70.0 (65.0-75.0) |"),
        ("Around zero, by window", "| lrs2 | 2 | 100 | 60.0 |"),
        ("Around zero, by clip", "| chance |  |  | 10.0 |"),
        ("Own offsets", "| **all** | -2: 1, 0: 3, +1: 1 |"),
        ("Around each clip's own offset, by speaker", "| an\\|na | 2 | 90 of 100 | 80.0 / 70.0 |"),
        ("Around each clip's own offset, by speaker", "| bert | 1 | 90 of 100 | 60.0 | 60.0 |"),
        ("Around zero, by speaker", "| bert | 1 | 100 | - | - |"),
        ("all: 2 clips, 2 speakers", "| 1.5 s | 4 | 25.0 (20.0-30.0) |"),
    ],
)
def test_a_table_has_the_line(title: str, line: str) -> None:
    assert [one for one in section(page(about()), title) if one.startswith(line)]


def test_all_tables_have_as_many_cells_in_each_line() -> None:
    text = page(about())
    for title in ("Around zero, by clip", "Own offsets", "Around zero, by speaker", "all: 2 clips, 2 speakers"):
        assert len({line.replace("\\|", "").count("|") for line in section(text, title)}) == 1


def test_lengths_without_a_row_are_left_out() -> None:
    assert [line.split(" | ")[0] for line in section(page(about()), "all: 2 clips, 2 speakers")][2:] == ["| 1.5 s", "| whole rows"]


@pytest.mark.parametrize(
    ("source", "ks", "n_lines"),
    [("lrs2", KS, 6), ("lrs3", KS, 3), ("talkvid", KS, 0), ("lrs2", (5, 25), 0)],
    ids=["lrs2", "lrs3", "another set", "other lengths"],
)
def test_published_figures_stand_under_those_of_the_same_set(source: str, ks: tuple[int, ...], n_lines: int) -> None:
    text = page(about(source=source, ks=ks))
    lines = [line for line in section(text, "Around zero, by clip") if f"published for {source} test" in line]
    assert len(lines) == n_lines
    assert text.count("published for") == n_lines
    if n_lines:
        assert lines[-1] == f"| IC-SyncNet, published for {source} test |  |  | {' | '.join(map(str, PUBLISHED[source]['IC-SyncNet']))} |"


@pytest.mark.parametrize(("name", "words"), [("strict", "exactly K - 4 consecutive windows"), ("vocalist", "in clips under 30 windows")])
def test_the_rules_of_the_protocol_are_told(name: str, words: str) -> None:
    assert words in page(about(name))


def test_further_sections_come_last_with_their_tables() -> None:
    tables = [("What was heard", ["kind", "p >= 0.9,\noffscreen"], [["a|b", "1"], ["c", "2"]]), ("Nothing", ["kind"], [])]
    text = page(about(), [Section("noise", "In noise", {}, tables, ["never on the page"])])
    assert text.endswith(
        "\n\n## In noise\n\nWhat was heard\n\n| kind | p >= 0.9, offscreen |\n| --- | ---: |\n| a\\|b | 1 |\n| c | 2 |\n"
        "\nNothing\n\n| kind |\n| --- |\n"
    )
    assert "never on the page" not in text
