"""The rules of `syncqc filter`: which there are, in which order they are asked, and what each wants of a row.

Knows columns; neither files nor how rows are counted. `Rules` is what a user sets, and its fields are the only place with defaults;
`Rules.in_order` makes of it the list of `Rule` that judges rows. A value that is null meets no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from syncqc.clock import MS_PER_IMAGE
from syncqc.errors import UsageError, unknown_name
from syncqc.manifest.select import Thresholds

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float32]

PER = ("row", "clip")
MEASURED, CHOSEN, WHERE, CLIP = "measured", "chosen", "where", "clip"
"""The names of the rules that are no thresholds."""
WHERE_COLUMN = "meets `where`"
"""Of the table that is judged; it is in no manifest."""

LOW_FPS = 24.0
MPEG4_CODECS = ("mpeg4", "mpeg1video", "mpeg2video", "h263", "h263p", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "flv1")


@dataclass(frozen=True)
class Artefact:
    """Something in how a file is coded that a network could go by, or that makes times less exact."""

    column: str
    has: Callable[[pa.Array], pa.Array]
    meaning: str


ARTEFACTS: Mapping[str, Artefact] = MappingProxyType(
    {
        "mpeg4": Artefact("video_codec", lambda codec: pc.is_in(codec, pa.array(MPEG4_CODECS)), "an MPEG-4 Part 2 codec or a relative"),
        "vfr": Artefact("is_vfr", lambda is_vfr: is_vfr, "pictures at uneven distances"),
        "rotated": Artefact("rotation_deg", lambda degrees: pc.not_equal(degrees, 0), "players are asked to turn the picture"),
        "late_start": Artefact("av_start_gap_ms", lambda gap: pc.greater(gap, float(MS_PER_IMAGE)), "the sound starts over an image late"),
        "low_fps": Artefact("source_fps", lambda fps: pc.less(fps, LOW_FPS), f"fewer than {LOW_FPS:g} pictures per second"),
        "leak_video": Artefact("leak_video", lambda leaks: leaks, "key frames at even distances show in the pictures"),
        "leak_audio": Artefact("leak_audio", lambda leaks: leaks, "the sound changes at the rhythm of AAC's blocks"),
    }
)


@dataclass(frozen=True)
class Rule:
    """One question to each row. `sign` is 1 where the value has to be at least `limit`, -1 at most, 0 where it is no number."""

    name: str
    column: str
    wanted: str
    met: Callable[[pa.Array], Flags]
    sign: int = 0
    limit: float = 0.0

    @property
    def option(self) -> str:
        """The command's option that sets the rule."""
        return "--" + self.name.split(":")[0].replace("_", "-")

    def values(self, column: pa.Array) -> Numbers:
        """What is compared with `limit`; nan where it was not measured."""
        return _numbers(column, is_size=self.name == "max_offset")


@dataclass(frozen=True)
class Rules:
    """What a row, or a clip, has to meet to be kept. None: not asked."""

    p: float = Thresholds.p
    """Least `probability_at_offset`."""
    offscreen: float = Thresholds.offscreen
    """Largest `offscreen_ratio`."""
    max_offset: int | None = None
    """Largest size of `offset_frames`."""
    no_edge: bool = False
    """Not `is_offset_at_edge`."""
    min_speech: float | None = None
    """Least `speech_ratio`."""
    max_frozen: float | None = None
    """Largest `frozen_ratio`."""
    min_face_px: float | None = None
    """Least `face_width_px`."""
    artefacts: tuple[str, ...] = ()
    """Names from `ARTEFACTS` that a row must not have."""
    where: str | None = None
    """A condition over the columns, see `manifest.where`."""
    keep_all_tracks: bool = False
    """Tracks that are not their part's chosen one may stay too."""
    per: str = "row"
    """``row``: each row for itself. ``clip``: a clip stays or goes as a whole."""
    min_share: float = 1.0
    """With per ``clip``: of the time of a clip's parts, at least this share has to lie in parts with a row that meets the rules."""

    def __post_init__(self) -> None:
        """Refuses what no row could mean.

        Raises:
            UsageError: a share outside 0-1, a negative limit, an unknown artefact or mode.
        """
        for name in ("p", "offscreen", "min_speech", "max_frozen", "min_share"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise UsageError(f"{name} is a share from 0 to 1, not {value:g}")
        for name in ("max_offset", "min_face_px"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise UsageError(f"{name} must not be below 0, not {value:g}")
        for name in self.artefacts:
            if name not in ARTEFACTS:
                raise unknown_name("artefact", name, ARTEFACTS)
        if self.per not in PER:
            raise unknown_name("per", self.per, PER)

    def in_order(self) -> tuple[Rule, ...]:
        """The rules that are asked, in the order in which a row's first unmet one is looked for; `measured` is always the first.

        Rows that were not measured are taken out before thresholds are asked, and what costs most to look at comes last.
        """
        thresholds = (
            _threshold("p", "probability_at_offset", 1, self.p),
            _threshold("offscreen", "offscreen_ratio", -1, self.offscreen),
            _threshold("max_offset", "offset_frames", -1, self.max_offset),
            _is_false("no_edge", "is_offset_at_edge") if self.no_edge else None,
            _threshold("min_speech", "speech_ratio", 1, self.min_speech),
            _threshold("max_frozen", "frozen_ratio", -1, self.max_frozen),
            _threshold("min_face_px", "face_width_px", 1, self.min_face_px),
        )
        return (
            Rule(MEASURED, "failure", "all numbers there", lambda failure: _flags(pc.is_null(failure))),
            *([] if self.keep_all_tracks else [Rule(CHOSEN, "is_chosen_track", "true", _flags)]),
            *(rule for rule in thresholds if rule is not None),
            *(_artefact(name) for name in dict.fromkeys(self.artefacts)),
            *([Rule(WHERE, WHERE_COLUMN, self.where, _flags)] if self.where is not None else []),
        )

    def with_defaults_left_out(self) -> dict[str, Any]:
        """What differs from a filter that asks nothing beyond the thresholds; for people."""
        return {name: value for name, value in asdict(self).items() if name in ("p", "offscreen") or value != getattr(Rules, name)}


def _threshold(name: str, column: str, sign: int, limit: float | None) -> Rule | None:
    if limit is None:
        return None
    stored = np.float32(limit)
    is_size = name == "max_offset"

    def met(values: pa.Array) -> Flags:
        numbers = _numbers(values, is_size=is_size)
        return numbers >= stored if sign > 0 else numbers <= stored

    around_zero = f"{-limit:g} to {limit:g}" if limit else "0"
    wanted = around_zero if is_size else f"{'>=' if sign > 0 else '<='} {limit:g}"
    return Rule(name, column, wanted, met, sign, limit)


def _is_false(name: str, column: str) -> Rule:
    return Rule(name, column, "false", lambda values: _flags(pc.invert(values)))


def _artefact(name: str) -> Rule:
    artefact = ARTEFACTS[name]
    # A null passes through every test and through `invert`, and counts as not met; `is_in` alone says False for it.
    return Rule(
        f"artefacts: {name}",
        artefact.column,
        f"not {name}",
        lambda values: _flags(pc.and_(pc.invert(artefact.has(values)), pc.is_valid(values))),
    )


def _flags(values: pa.Array) -> Flags:
    flags: Flags = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return flags


def _numbers(values: pa.Array, *, is_size: bool) -> Numbers:
    numbers: Numbers = values.cast(pa.float32()).to_numpy(zero_copy_only=False)
    return np.abs(numbers) if is_size else numbers
