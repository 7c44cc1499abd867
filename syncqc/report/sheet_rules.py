"""Which rows a contact sheet is about: one rule per sheet, with its numbers in the sentence that is shown above the sheet.

Knows columns as plain arrays; neither files nor pictures. A value that was not measured (nan) meets no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from syncqc.clock import MS_PER_IMAGE
from syncqc.manifest.select import MAX_IN_TIME_FRAMES, Thresholds, as_stored
from syncqc.measure.settings import DEFAULTS

F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Numbers = Mapping[str, F32]
"""Column to its values (n,), nan where there is none, True as 1."""

NUMBERS = (
    "probability_at_offset", "offscreen_ratio", "offset_frames", "is_offset_at_edge", "margin", "speech_ratio", "frozen_ratio",
    "face_width_px", "leak_video",
)  # fmt: skip
"""The columns that rules ask for."""

P, OFFSCREEN = as_stored(Thresholds.p), as_stored(Thresholds.offscreen)
NEAR_P = 0.03
"""p so near the threshold is on the border."""
LEAST_SPEECH = 0.5
LEAST_FACE_PX = 64
"""A face this wide shows what its lips do."""
LEAST_FROZEN = 0.2
LEAST_OFF_FRAMES = MAX_IN_TIME_FRAMES + 1
NO_AGREEMENT_P = 0.5
NO_AGREEMENT_MARGIN = 0.1
SEVERAL_PARTS = 2
FRONTAL_DEG = 30.0


@dataclass(frozen=True)
class SheetRule:
    """The rows that one sheet shows: chosen tracks of measured parts for which `holds` is true."""

    name: str
    title: str
    says: str
    """What these rows are, with all numbers."""
    holds: Callable[[Numbers], Bools]
    order: Callable[[Numbers], F32]
    """Of a clip the row with the lowest value is shown."""
    is_by_order: bool = False
    """Clips with the lowest values come first; else clips are drawn by lot."""
    of: Callable[[Numbers], Bools] | None = None
    """Of a clip's rows for which this is true, there are several and `holds` is true for all; None: one row is enough."""
    is_frontal: bool = False
    """Heads that are turned sideways by more than `FRONTAL_DEG` are left out."""


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def _p(numbers: Numbers) -> F32:
    return numbers["probability_at_offset"]


def _is_talking_face(numbers: Numbers) -> Bools:
    is_one: Bools = (numbers["speech_ratio"] >= LEAST_SPEECH) & (numbers["face_width_px"] >= LEAST_FACE_PX)
    return is_one


def _is_good(numbers: Numbers) -> Bools:
    is_one: Bools = (_p(numbers) >= P) & (numbers["offscreen_ratio"] <= OFFSCREEN)
    return is_one


def _is_off(numbers: Numbers) -> Bools:
    is_one: Bools = _is_good(numbers) & (np.abs(numbers["offset_frames"]) >= LEAST_OFF_FRAMES) & (numbers["is_offset_at_edge"] != 1)
    return is_one


def _nothing_stands_out(numbers: Numbers) -> Bools:
    return _is_talking_face(numbers) & (_p(numbers) < NO_AGREEMENT_P) & (numbers["margin"] < NO_AGREEMENT_MARGIN)


_TALKING = f"a voice in at least {_percent(LEAST_SPEECH)} of the time and a face at least {LEAST_FACE_PX} pixels wide"

RULES: tuple[SheetRule, ...] = (
    SheetRule(
        "best",
        "Best",
        f"Probability at the offset (p) of at least {Thresholds.p:g} and at most {_percent(Thresholds.offscreen)} offscreen, "
        "the highest p first.",
        _is_good,
        lambda numbers: -_p(numbers),
        is_by_order=True,
    ),
    SheetRule(
        "worst",
        "Worst",
        f"The lowest p below {Thresholds.p:g} of parts that have {_TALKING}: lips and sound do not fit although they could.",
        lambda numbers: _is_talking_face(numbers) & (_p(numbers) < P),
        _p,
        is_by_order=True,
    ),
    SheetRule(
        "borderline",
        "Borderline",
        f"p within {NEAR_P:g} of the default threshold {Thresholds.p:g}, on either side.",
        lambda numbers: np.abs(_p(numbers) - P) <= NEAR_P,
        lambda numbers: np.abs(_p(numbers) - P),
    ),
    SheetRule(
        "offscreen",
        "Somebody else speaks",
        f"The face is the speaker in a part of the time only: p of at least {DEFAULTS.onscreen_threshold:g}, but over "
        f"{_percent(Thresholds.offscreen)} of the windows offscreen, with a voice in at least {_percent(LEAST_SPEECH)} of the time.",
        lambda numbers: (
            (_p(numbers) >= as_stored(DEFAULTS.onscreen_threshold))
            & (numbers["offscreen_ratio"] > OFFSCREEN)
            & (numbers["speech_ratio"] >= LEAST_SPEECH)
        ),
        lambda numbers: -numbers["offscreen_ratio"],
    ),
    SheetRule(
        "off",
        "Late or early",
        f"Sure, but not in time: p of at least {Thresholds.p:g}, at most {_percent(Thresholds.offscreen)} offscreen, and an offset of "
        f"{LEAST_OFF_FRAMES} images ({LEAST_OFF_FRAMES * MS_PER_IMAGE} ms) or more that is not at the edge of the search.",
        _is_off,
        lambda numbers: -_p(numbers),
    ),
    SheetRule(
        "frozen",
        "Frozen",
        f"The picture stands still for at least {_percent(LEAST_FROZEN)} of the part.",
        lambda numbers: numbers["frozen_ratio"] >= as_stored(LEAST_FROZEN),
        lambda numbers: -numbers["frozen_ratio"],
    ),
    SheetRule(
        "dubbed",
        "Dubbed?",
        f"Clips of {SEVERAL_PARTS} or more parts that have {_TALKING}, and no shift stands out in any of them: p below "
        f"{NO_AGREEMENT_P:g} and a margin below {NO_AGREEMENT_MARGIN:g}; heads turned by over {FRONTAL_DEG:g} degrees are left out. Dubbed "
        "films look like this, and so do listeners and voices from outside the picture.",
        _nothing_stands_out,
        lambda numbers: numbers["margin"],
        of=_is_talking_face,
        is_frontal=True,
    ),
    SheetRule(
        "artefacts",
        "Traces of coding",
        "Key frames at even distances, of this coding or an earlier one, show in the pictures (leak_video): a network can go by them.",
        lambda numbers: numbers["leak_video"] == 1,
        lambda numbers: -_p(numbers),
    ),
)
