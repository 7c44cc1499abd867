from __future__ import annotations

import base64
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from syncqc.report.sheet_card import MAX_URL_BYTES, card_of, curve_span
from syncqc.report.sheet_media import N_BARS, Seen

sys.path.insert(0, str(Path(__file__).parent))

from made_sheets import complete, row

SPAN = (0.0, 0.2)


def facts(**columns: object) -> dict[str, str]:
    card = card_of(complete(row("a", **columns)), "m.parquet", Seen(), SPAN)
    return {fact.label: fact.value.replace("\N{NO-BREAK SPACE}", " ") for fact in card.facts}


def test_numbers_are_said_with_their_names() -> None:
    assert facts(offset_frames=-2, frozen_ratio=0.25, dropped_by="p") == {
        "p at offset": "0.99", "p in sync": "1.00", "offset": "-2", "margin": "0.40", "offscreen": "0 %", "speech": "90 %",
        "stands still": "25 %", "face": "100 px wide", "dropped by": "p",
    }  # fmt: skip
    assert set(facts()) >= {"p at offset"} and not {"stands still", "dropped by"} & set(facts())
    assert "speech" not in facts(speech_ratio=None)


HEADLINES = {
    "early": ({"offset_frames": 3}, "The sound leads the picture by 3 images (120 ms)"),
    "late": ({"offset_frames": -1}, "The sound lags behind the picture by 1 image (40 ms)"),
    "in time": ({}, "Sound and picture are in time"),
    "at the edge": (
        {"offset_frames": 15, "is_offset_at_edge": True},
        "The sound leads the picture by 15 images (600 ms), or more: the edge of the search",
    ),
    "a low p": ({"probability_at_offset": 0.4}, "Doubtful: sound and picture are in time"),
}


@pytest.mark.parametrize(("columns", "expected"), HEADLINES.values(), ids=HEADLINES.keys())
def test_the_offset_is_said_in_words(columns: dict[str, object], expected: str) -> None:
    assert card_of(complete(row("a", **columns)), "m.parquet", Seen(), SPAN).headline == expected


def test_where_and_who_it_is() -> None:
    card = card_of(complete(row("x/y/z", part_index=1, n_parts=3, n_tracks=2, start_s=2.4, end_s=4.8)), "m.parquet", Seen(), SPAN)
    assert (card.where, card.who) == ("part 2 of 3, one of 2 faces, 2.40 to 4.80 s", "alpha · speaker of x/y/z")
    assert card_of(complete(row("a", dataset=None, speaker=None)), "m.parquet", Seen(), SPAN).who == "m.parquet"


def decoded(url: str) -> np.ndarray:
    kind, _, content = url.partition(",")
    assert kind == "data:image/webp;base64"
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_mouths_stand_side_by_side_in_their_colours() -> None:
    colours = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]
    mouths = np.stack([np.full((48, 96, 3), colour, np.uint8) for colour in colours])
    card = card_of(complete(row("a")), "m.parquet", Seen(mouths=mouths), SPAN)
    assert card.mouths is not None
    picture = decoded(card.mouths)
    assert picture.shape == (card.mouths_height_px, card.mouths_width_px, 3) == (48, 3 * 96 + 2 * 3, 3)
    for i, colour in enumerate(colours):
        assert np.abs(picture[24, 48 + 99 * i].astype(int) - colour).max() < 12
    assert card.mouths_says == "Three mouth crops of a, 0.00 to 2.40 s"


@pytest.mark.parametrize("size", [(48, 96), (128, 256)], ids=["small", "large"])
def test_a_picture_is_never_over_its_size(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (5, *size, 3), np.uint8)
    card = card_of(complete(row("a")), "m.parquet", Seen(mouths=noise), SPAN)
    assert card.mouths is not None and len(card.mouths) <= MAX_URL_BYTES
    assert decoded(card.mouths).shape[:2] == (card.mouths_height_px, card.mouths_width_px)


def test_the_waveform_is_as_high_as_the_sound_is_loud_and_open_where_there_is_none() -> None:
    peaks = np.full(N_BARS, 0.05, np.float32)
    peaks[3], peaks[5] = 0.1, np.nan
    drawn = card_of(complete(row("a")), "m.parquet", Seen(peaks=peaks), SPAN).sound
    assert drawn is not None
    strokes = drawn.path.split("M")[1:]
    assert len(strokes) == N_BARS - 1
    assert strokes[2:5] == ["2.5 10v21", "3.5 1v39", "4.5 10v21"]
    assert strokes[5].startswith("6.5 ")
    assert drawn.says == "Waveform of the sound as it lies in the file; its loudest sample is at -20 dB of full scale"
    silent = card_of(complete(row("a")), "m.parquet", Seen(peaks=np.zeros(N_BARS, np.float32)), SPAN).sound
    assert silent is not None and silent.says.endswith("digital silence") and silent.path.startswith("M0.5 20v1")


def test_the_probability_is_an_area_over_the_rows_images() -> None:
    drawn = card_of(complete(row("a", n_images=8)), "m.parquet", Seen(probability=np.array([1.0, 0.25, np.nan, 0.5])), SPAN).probability
    assert drawn is not None
    # Window j speaks for image j + 2.
    assert (drawn.path, drawn.width) == ("M2 100V0h1V75h1V100zM5 100V50h1V100z", 8)
    assert drawn.says == "Probability at the measured offset over the time of the row, from 0.25 to 1.00"


def test_the_bar_shows_when_the_face_is_the_speaker() -> None:
    spoken = [{"start_s": 5.08, "end_s": 5.2}, {"start_s": 6.0, "end_s": 6.4}]
    drawn = card_of(complete(row("a", start_s=5.0, onscreen=spoken)), "m.parquet", Seen(), SPAN).onscreen
    assert drawn is not None
    assert drawn.path == "M2 0h3v1h-3zM25 0h10v1h-10z"
    assert drawn.says == "The face is the speaker from 5.1 to 5.2 s, 6.0 to 6.4 s"
    never = card_of(complete(row("a", onscreen=[])), "m.parquet", Seen(), SPAN).onscreen
    assert never is not None and never.says == "The face is the speaker at no time"


ZEROS = {"none": (0, ("-2 late", "early +2")), "of its own": (1, ("-3 late", "early +1"))}


@pytest.mark.parametrize(("zero", "ends"), ZEROS.values(), ids=ZEROS.keys())
def test_the_curve_has_early_sound_on_its_right_and_the_offset_marked(zero: int, ends: tuple[str, str]) -> None:
    # Row r of the curve stands for offset 2 - r - zero: the best row is 1.
    curve = [0.1, 0.2, 0.0, None, 0.1]
    card = card_of(complete(row("a", similarity=curve, offset_frames=1 - zero)), "m.parquet", Seen(), SPAN)
    assert card.curve is not None
    assert card.curve.path == "M0 50M2 100L3 0L4 50"
    assert (card.curve.mark, card.curve.zero, card.curve_ends) == (3, 2 + zero, ends)


def test_all_curves_are_drawn_to_one_scale() -> None:
    assert curve_span([complete(row("a", similarity=[-0.31, None, 0.1])), complete(row("b", similarity=[0.0, 0.52]))]) == (-0.4, 0.6)
    assert curve_span([complete(row("a", similarity=None))]) == (0.0, 1.0)


def test_what_is_missing_is_said() -> None:
    both = Seen(why_no_mouths="no such file", why_no_sound="no such file", why_no_probability="no matrix")
    assert card_of(complete(row("a")), "m.parquet", both, SPAN).notes == (
        "No mouths: no such file.", "No waveform: no such file.", "No probability over time: no matrix.",
    )  # fmt: skip
    same = Seen(why_no_mouths="no such file", why_no_sound="no such file")
    assert card_of(complete(row("a")), "m.parquet", same, SPAN).notes == ("No mouths and no waveform: no such file.",)
    resynced = complete(row("a", resynced_path="/b.mp4", resync_shift_frames=3))
    assert card_of(resynced, "m.parquet", Seen(), SPAN).notes == (
        "The numbers are from before resync, which delayed the sound by +3 images (+120 ms); pictures and sound are from after it.",
    )
    coded = complete(row("a", leak_video=True, leak_video_reason="the file's key frames"))
    assert card_of(coded, "m.parquet", Seen(), SPAN).notes == ("Coding: the file's key frames.",)
    assert card_of(complete(row("a")), "m.parquet", Seen(), SPAN).notes == ()
