from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from syncqc.report.dataset_page_standing import Standing
from syncqc.report.dataset_page_words import bias_in_words, histogram_in_words, own_offsets_in_words, percent, quoted_name, verdict
from syncqc.report.gathered import Histogram, OwnOffsets
from syncqc.report.html import page
from syncqc.report.words import length_in_words

sys.path.insert(0, str(Path(__file__).parent))

from made_gathered import made_gathered

if TYPE_CHECKING:
    from playwright.sync_api import Page


def stand(label: str, kept: float, shifted: float = 0.0, **more: object) -> Standing:
    defaults: dict[str, object] = {
        "number": 0, "kept_share": kept, "n_rows": 100, "n_measured": 100, "n_clips": 50, "n_speakers": 5, "length_s": 400.0,
        "below_p_share": 1 - kept, "offscreen_share": 0.0, "shifted_share": shifted,
        "in_time_share": kept * (1 - shifted), "failed_share": 0.0, "main_failure": None,
    }  # fmt: skip
    return Standing(label=label, **(defaults | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stands", "heading"),
    [
        pytest.param([stand("a", 0.9), stand("b", 0.4)], "“b” is the worse of the two", id="two"),
        pytest.param([stand("a", 0.4), stand("b", 0.9), stand("c", 0.6)], "“a” is the worst of the 3", id="three"),
        pytest.param([stand("a", 0.90), stand("b", 0.91)], "The datasets are about equally good", id="alike"),
        pytest.param([stand("a", 0.5)], "“a”: 50\u00a0% of the measured time can be used", id="one"),
        pytest.param(
            [stand("a", 0.8, 0.1, n_clips=5000), stand("b", 0.9, 0.6, n_clips=5000)],
            "“a” loses more to the filter, “b” is more often early or late",
            id="different ways",
        ),
        pytest.param(
            [stand("a", 0.8, 0.1), stand("b", 0.9, 0.6)],
            "“b” is more often early or late; otherwise the datasets are about equally good",
            id="so few clips that one difference can be chance",
        ),
        pytest.param(
            [stand("a", 0.8, 0.1), stand("b", 0.9, 0.6, failed_share=0.3)],
            "“b” is more often early or late, and 30\u00a0% of its rows could not be measured; "
            "otherwise the datasets are about equally good",
            id="off, and often not measured",
        ),
        pytest.param([stand("a", 1.0, n_clips=3), stand("b", 0.6, n_clips=3)], "The datasets are about equally good", id="three clips"),
        pytest.param(
            [stand("a", 0.9, 0.5, failed_share=0.2)],
            "“a”: 90\u00a0% of the measured time can be used, 45\u00a0% without shifting the sound; "
            "20\u00a0% of the rows of “a” could not be measured",
            id="one with every trouble",
        ),
    ],
)
def test_the_heading_says_which_is_worse(stands: list[Standing], heading: str) -> None:
    assert verdict(made_gathered(), stands).heading == heading


def test_reasons_come_weightiest_first_beside_those_of_the_best() -> None:
    worst = stand("b", 0.4, below_p_share=0.2, offscreen_share=0.5, failed_share=0.1, main_failure="the sound is digital silence")
    said = verdict(made_gathered(), [stand("a", 0.9), worst])
    assert [reason.replace("\u00a0", " ") for reason in said.reasons] == [
        "In 50 % of its time the face shown is not the speaker for too long (offscreen ratio above 0.2; “a”: 0 %).",
        "In 20 % of its time voice and lips hardly fit (probability below 0.9; “a”: 10 %).",
        "10 % of its rows could not be measured (most often: the sound is digital silence; “a”: 0 %).",
    ]
    assert (said.cautions, said.mended, said.shifted) == ((), (0,), ())


def test_where_chance_can_give_the_difference_no_dataset_is_blamed_and_all_are_mended() -> None:
    said = verdict(made_gathered(), [stand("a", 0.8, 0.3), stand("b", 0.9, 0.3, number=1)])
    assert said.standing.replace("\u00a0", " ") == (
        "With the default thresholds of syncqc filter 80 % (least, of “a”) to 90 % of their measured time stays; "
        "between so few clips such a difference can be chance."
    )
    assert (len(said.reasons), said.mended, said.shifted) == (1, (0, 1), (0, 1))


def test_without_rows_nothing_is_said_to_have_failed() -> None:
    said = verdict(made_gathered(), [stand("a", 0, kept_share=None, n_rows=0)])
    assert (said.heading, said.standing) == ("There are no rows", "")


def test_a_name_does_not_turn_its_sentence_round() -> None:
    assert (quoted_name("vox"), quoted_name("名前")) == ("“vox”", "“\u2068名前\u2069”")


def test_own_offsets_are_said_with_their_bias() -> None:
    assert own_offsets_in_words(OwnOffsets("vox", (), 9, 9, 0)) == (
        "9 of 9 clips agree to within one image; there is no bias between them (dashed line: equal)."
    )
    assert own_offsets_in_words(OwnOffsets("vox", (), 1, 1, -1.5)) == (
        "1 of 1 clip agree to within one image once a bias is taken off: ours are 1.5 images lower (dashed line)."
    )


def test_few_rows_and_many_failures_are_told_as_well() -> None:
    said = verdict(made_gathered(), [stand("a", 0.4), stand("b", 0.9, 0.5, n_measured=12, failed_share=0.3, main_failure="no face")])
    assert [caution.replace("\u00a0", " ") for caution in said.cautions] == [
        "Few measured rows stand behind this: “b” (12). A handful of other clips could change the picture.",
        "30 % of the rows of “b” could not be measured (most often: no face).",
    ]
    assert said.reasons[-1].startswith("Of what stays, 50\u00a0% of “b” is early or late")
    assert said.heading == "“a” is the worse of the two"


@pytest.mark.parametrize(
    ("share", "said"),
    [(None, "\u2013"), (0, "0 %"), (0.001, "< 1 %"), (0.01, "1 %"), (0.995, "> 99 %"), (1, "100 %")],
)
def test_a_share_that_is_not_nothing_is_not_said_to_be(share: float | None, said: str) -> None:
    assert percent(share).replace("\u00a0", " ") == said


def test_a_histogram_is_said_by_its_medians() -> None:
    shares = Histogram("p", "p", "", (0.0, 0.5, 1.0), ((1, 9), (9, 1), (0, 0)), (0, 2, 0))
    assert histogram_in_words(shares, "abc") == "Median 0.75 in “a”, 0.25 in “b”. Not measured in 2 rows."
    clips = replace(shares, name="clip_p")
    assert histogram_in_words(replace(clips, n_null=(1, 0, 0)), "abc").endswith("Not measured in 1 clip.")
    many = replace(shares, counts=((1, 9), (9, 1)) * 3, n_null=(0,) * 6)
    assert histogram_in_words(many, "abcdef") == "Median from 0.25 in “b” to 0.75 in “e”."
    assert histogram_in_words(replace(many, counts=((1, 9),) * 6), "abcdef") == "Median 0.75 in each dataset."
    offsets = Histogram("offset_frames", "offset", "", (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5), ((0, 0, 1, 1, 8), (4, 0, 0, 0, 0)), (0, 0))
    assert histogram_in_words(offsets, "ab") == "Median +2 in “a”, -2 in “b”."
    assert bias_in_words(offsets, "ab").endswith("good or not: 80\u00a0% of “a”, 100\u00a0% of “b”.")


@pytest.mark.browser
def test_lengths_and_shares_are_said_as_the_command_line_says_them(opened: Callable[..., Page], tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(
        page("base.html.j2", "a title", {"cells": {"dataset": []}, "datasets": []}, scripts=["report_count.js"]), encoding="utf-8"
    )
    lengths = [0, 0.5, 1.5, 2.5, 89.4, 89.5, 90, 135.0, 5399.9, 5400, 8100, 8118.0, 359999, 360000, 1.5e6, 12345678.9]
    shares = [0, 0.004, 0.01, 0.245, 0.255, 0.5, 0.985, 0.99, 0.999, 1]
    shown = opened(path)
    assert shown.evaluate("(values) => values.map(syncqc.length)", lengths) == [length_in_words(value) for value in lengths]
    assert shown.evaluate("(values) => values.map(syncqc.percent)", shares) == [percent(value) for value in shares]
