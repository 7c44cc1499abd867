"""The probability map of one face: image time across, offset up, probability as colour; below it when the face is the speaker.

The person stands beside it. Draws plain arrays; knows no stage, no network and no manifest. Matplotlib is imported inside and never
opens a window.

Source: IC-SyncNet, Fig. 2.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from syncqc.clock import IMAGE_RATE_HZ
from syncqc.manifest.aside import written_aside
from syncqc.report.words import signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCHES_PER_S = 1.1
_WIDTH_IN = (8.0, 40.0)
_HEIGHT_IN = 5.6
_MARGIN_IN = 1.9
_STILL_IN = 3.2
_DPI = 120
_CHARACTERS_PER_IN = 17.5
_TITLE_CHARACTERS_PER_IN = 9.2
_LEAST_LABELLED_IN = 0.9
_ARROW = "#e02020"
_SPEAKS = "#1b7f79"
_SILENT = "#d9d9d9"
_NOT_MEASURED = "#ffffff"
_BACKGROUND = "#ececec"


@dataclass(frozen=True, eq=False)
class MapPart:
    """One stretch of a face, as it is drawn: its place on the time axis and what was measured in it."""

    start_s: float
    end_s: float
    heading: str
    """Lines above the stretch; where one does not fit, it and those after it are left out."""
    probability: npt.NDArray[np.floating[Any]] | None = None
    """(2 w + 1, n), 0-1, NaN where a cell does not count; row r stands for offset w - r - zero. None: nothing was measured."""
    first_window_s: float = 0.0
    """When the image that window 0 speaks for begins."""
    zero_offset_frames: int = 0
    offset_frames: int | None = None
    onscreen_s: Sequence[tuple[float, float]] = field(default=())
    reason: str | None = None
    """Why nothing was measured."""

    @property
    def end_window_s(self) -> float:
        """When the image that the last window speaks for ends."""
        n = 0 if self.probability is None else self.probability.shape[1]
        return self.first_window_s + n / IMAGE_RATE_HZ

    @property
    def offsets(self) -> tuple[int, int] | None:
        """Least and greatest offset of the map."""
        if self.probability is None:
            return None
        w = self.probability.shape[0] // 2
        return -w - self.zero_offset_frames, w - self.zero_offset_frames


@dataclass(frozen=True, eq=False)
class Still:
    """The person that was judged."""

    image: npt.NDArray[np.uint8]
    """(height, width, 3), RGB."""
    time_s: float
    box_px: Sequence[float] | None = None
    """Left, top, right, bottom of the face in pixels of the image."""


def draw_map(parts: Sequence[MapPart], title: str, still: Still | None = None) -> Figure:
    """One figure with all parts side by side on the clip's clock, and the person beside them.

    Raises:
        ValueError: there is no part.
    """
    if not parts:
        raise ValueError("a map needs at least one part")
    from matplotlib.figure import Figure

    duration_s = max(part.end_s for part in parts) - min(part.start_s for part in parts)
    width_in = float(np.clip(_MARGIN_IN + _INCHES_PER_S * duration_s, *_WIDTH_IN))
    beside_in = [] if still is None else [_STILL_IN]
    whole_in = width_in + sum(beside_in)
    figure = Figure(figsize=(whole_in, _HEIGHT_IN), dpi=_DPI, layout="constrained")
    ratios = [width_in, 0.18, *beside_in]
    grid = figure.add_gridspec(2, len(ratios), height_ratios=(14, 1), width_ratios=ratios)
    axes = figure.add_subplot(grid[0, 0])
    bar = figure.add_subplot(grid[1, 0], sharex=axes)
    lines = [line for said in _printable(title).split("\n") for line in textwrap.wrap(said, int(whole_in * _TITLE_CHARACTERS_PER_IN))]
    figure.suptitle("\n".join(lines), fontsize=11, x=0.01, ha="left", parse_math=False)
    inches_per_s = (width_in - _MARGIN_IN) / max(duration_s, 1e-9)
    for part in parts:
        _draw_part(axes, part, part_width_in=inches_per_s * (part.end_s - part.start_s))
        _draw_speaker(bar, part)
    _draw_scales(axes, bar, parts)
    if axes.images:
        figure.colorbar(axes.images[0], cax=figure.add_subplot(grid[0, 1]), label="probability that sound and lips are in sync")
    if still is not None:
        _draw_still(figure.add_subplot(grid[0, 2]), still)
    return figure


def write_png(figure: Figure, path: Path) -> None:
    """The figure as a PNG at `path`, complete or not there at all; an older file at `path` is replaced.

    Raises:
        OSError: the file cannot be written.
    """
    with written_aside(path) as aside, warnings.catch_warnings():
        # A file name may hold characters that the font lacks: they are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(aside, format="png")


def _draw_part(axes: Axes, part: MapPart, part_width_in: float) -> None:
    axes.axvline(part.start_s, color="black", linewidth=0.8)
    axes.axvline(part.end_s, color="black", linewidth=0.8)
    n_characters = int(part_width_in * _CHARACTERS_PER_IN)
    heading = "\n".join(takewhile(lambda line: len(line) <= n_characters, _printable(part.heading).split("\n")))
    if heading:
        axes.text(part.start_s, 1.01, heading, transform=axes.get_xaxis_transform(), va="bottom", fontsize=8, parse_math=False)
    if part.probability is None or part.offsets is None:
        middle = (part.start_s + part.end_s) / 2
        reason = _wrapped(_printable(part.reason or "not measured"), n_characters)
        axes.text(
            middle, 0.5, reason, transform=axes.get_xaxis_transform(), ha="center", va="center", fontsize=9, parse_math=False, clip_on=True
        )
        return
    least, greatest = part.offsets
    axes.imshow(
        part.probability,
        extent=(part.first_window_s, part.end_window_s, least - 0.5, greatest + 0.5),
        origin="upper",
        aspect="auto",
        interpolation="nearest",
        cmap="viridis",
        vmin=0,
        vmax=1,
    )
    if part.offset_frames is not None:
        _draw_offset(axes, part, part.offset_frames, has_label=part_width_in >= _LEAST_LABELLED_IN)


def _draw_offset(axes: Axes, part: MapPart, offset_frames: int, has_label: bool) -> None:
    """Thin lines above and below the row of the offset, which stays visible, and an arrow that names it."""
    borders = (offset_frames - 0.5, offset_frames + 0.5)
    axes.hlines(borders, part.first_window_s, part.end_window_s, color=_ARROW, linewidth=0.7)
    if not has_label or part.offsets is None:
        return
    is_high = offset_frames > sum(part.offsets) / 2
    axes.annotate(
        signed(offset_frames),
        xy=(part.first_window_s + 0.1, borders[0] if is_high else borders[1]),
        xytext=(24, -30 if is_high else 30),
        textcoords="offset points",
        ha="center",
        va="center",
        color="white",
        fontsize=9,
        fontweight="bold",
        bbox={"boxstyle": "round,pad=0.25", "facecolor": _ARROW, "edgecolor": "none"},
        arrowprops={"arrowstyle": "-|>", "color": _ARROW, "linewidth": 2, "shrinkB": 0},
    )


def _draw_still(axes: Axes, still: Still) -> None:
    from matplotlib.patches import Rectangle

    axes.imshow(still.image)
    axes.set_axis_off()
    axes.set_title(f"the face at {still.time_s:.2f} s", fontsize=9)
    if still.box_px is not None:
        left, top, right, bottom = still.box_px
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=_ARROW, linewidth=1.5))


def _draw_speaker(bar: Axes, part: MapPart) -> None:
    if part.probability is None:
        return
    bar.broken_barh([(part.first_window_s, part.end_window_s - part.first_window_s)], (0, 1), facecolors=_SILENT)
    bar.broken_barh([(start, end - start) for start, end in part.onscreen_s], (0, 1), facecolors=_SPEAKS)
    unmeasured = np.flatnonzero(_is_unmeasured(part))
    bar.broken_barh(
        [(part.first_window_s + j / IMAGE_RATE_HZ, 1 / IMAGE_RATE_HZ) for j in unmeasured.tolist()], (0, 1), facecolors=_NOT_MEASURED
    )


def _is_unmeasured(part: MapPart) -> npt.NDArray[np.bool_]:
    """Windows (n,) of which no cell within 1 of the offset counts."""
    assert part.probability is not None
    if part.offset_frames is None:
        return np.ones(part.probability.shape[1], np.bool_)
    row = part.probability.shape[0] // 2 - part.offset_frames - part.zero_offset_frames
    return np.asarray(np.isnan(part.probability[max(0, row - 1) : row + 2]).all(axis=0))


def _draw_scales(axes: Axes, bar: Axes, parts: Sequence[MapPart]) -> None:
    from matplotlib.patches import Patch

    ranges = [part.offsets for part in parts if part.offsets is not None] or [(-1, 1)]
    axes.set_xlim(min(part.start_s for part in parts), max(part.end_s for part in parts))
    axes.set_ylim(min(least for least, _ in ranges) - 0.5, max(greatest for _, greatest in ranges) + 0.5)
    axes.set_facecolor(_BACKGROUND)
    axes.set_ylabel("offset in images\n> 0: the sound comes early")
    axes.tick_params(labelbottom=False)
    if not any(part.offsets for part in parts):
        axes.set_yticks([])
    bar.set_ylim(0, 1)
    bar.set_yticks([0.5], ["speaker"])
    bar.tick_params(left=False)
    bar.set_xlabel("time in s after the first image shown", loc="left")
    named = {"on screen": _SPEAKS, "not on screen": _SILENT, "not measured": _NOT_MEASURED}
    handles = [Patch(facecolor=colour, edgecolor="grey", linewidth=0.5, label=name) for name, colour in named.items()]
    bar.legend(handles=handles, ncols=3, fontsize=8, frameon=False, loc="upper right", bbox_to_anchor=(1, -0.9), borderaxespad=0)


def _printable(text: str) -> str:
    """The text without what no font can draw: bytes of a file name that are no UTF-8 become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _wrapped(text: str, n_characters: int) -> str:
    return "\n".join(textwrap.wrap(text, max(10, min(40, n_characters))))
