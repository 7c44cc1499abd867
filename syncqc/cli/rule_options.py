"""The options of `syncqc filter` that say what a row must meet, for every command that asks the same of rows.

Knows rules by name; filters nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli.lazy_default import default_of
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.manifest.rules import Rules

_RULES = "syncqc.manifest.rules:Rules"

POption = Annotated[float | None, typer.Option("--p", help="Least `probability_at_offset`.", show_default=default_of(f"{_RULES}.p"))]
OffscreenOption = Annotated[float | None, typer.Option(help="Largest `offscreen_ratio`.", show_default=default_of(f"{_RULES}.offscreen"))]
MaxOffsetOption = Annotated[int | None, typer.Option(help="Largest `offset_frames`, early or late, images of 1/25 s.", show_default=False)]
NoEdgeOption = Annotated[bool, typer.Option("--no-edge", help="Drop rows whose best shift is the first or last one searched.")]
MinSpeechOption = Annotated[float | None, typer.Option(help="Least `speech_ratio`.", show_default=False)]
MaxFrozenOption = Annotated[float | None, typer.Option(help="Largest `frozen_ratio`.", show_default=False)]
MinFaceOption = Annotated[float | None, typer.Option(help="Least `face_width_px`.", show_default=False)]
ArtefactsOption = Annotated[
    str | None,
    typer.Option(
        help="Drop rows with any of these, comma-separated: mpeg4, vfr, rotated, late_start, low_fps, leak_video, leak_audio.",
        show_default=False,
    ),
]
WhereOption = Annotated[
    str | None,
    typer.Option(help="Keep only what meets this condition over the columns, as after WHERE in DuckDB's SQL.", show_default=False),
]
KeepAllTracksOption = Annotated[bool, typer.Option("--keep-all-tracks", help="Keep also tracks that are not their part's chosen one.")]
PerOption = Annotated[
    str | None,
    typer.Option(
        help="row: each row for itself. clip: a clip stays, with all measured rows of its chosen tracks, or goes as a whole.",
        show_default=default_of(f"{_RULES}.per"),
    ),
]
MinShareOption = Annotated[
    float | None,
    typer.Option(
        help="With --per clip: at least this share of a clip's time must lie in parts with a row that meets the rules.",
        show_default=default_of(f"{_RULES}.min_share"),
    ),
]


def rules_of(artefacts: str | None, **given: object) -> Rules:
    """The rules with what was given (None: not given), the others as they are by default.

    Raises:
        UsageError: a rule that no row could mean, or one that another rule needs.
    """
    from syncqc.manifest.rules import Rules

    given["artefacts"] = _names(artefacts)
    rules = Rules(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    if given.get("min_share") is not None and rules.per != "clip":
        raise UsageError("--min-share needs --per clip")
    return rules


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise UsageError("--artefacts names none")
    return names
