"""What ``syncqc inspect`` shows of one clip: which rows, the table, the verdict in words, and the map of a face.

Knows the rows of one clip and its similarity matrices; measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from syncqc.errors import UsageError
from syncqc.report.words import NO_NUMBER, number, offset_in_words, signed, signed_offset

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from syncqc.report.map_figure import MapPart

Row = Mapping[str, object]
_SPARED = ("margin", "speech", "p in sync", "offscreen")
"""Columns that a narrow terminal does without, the first one first."""
AGREES = 0.5
"""From this probability at offset on, sound and lips agree more than they disagree."""


@dataclass(frozen=True)
class Matrices:
    """The similarity matrices of a clip, and what turns them into probabilities."""

    lines: Sequence[Row]
    """One per track: ``part_index``, ``track_index``, ``w``, ``n_windows`` and the cells as float16."""
    tau: float
    zero_offset_frames: int
    model: str = ""
    """The network's name."""

    def cells(self, row: Row) -> Any:
        """Cosines (2 w + 1, n) of the row's track, float32, NaN where a cell does not count; None where none were kept."""
        import numpy as np

        for line in self.lines:
            if (line["part_index"], line["track_index"]) == (row.get("part_index"), row.get("track_index")):
                cells = np.frombuffer(cast(bytes, line["matrix"]), "<f2").astype(np.float32)
                return cells.reshape(-1, cast(int, line["n_windows"]))
        return None


def shown_rows(rows: Sequence[Row], track: int | None) -> list[Row]:
    """One row per part, in order: the one of face `track`, or, for None, the chosen one, else the first that was measured, else the first.

    Where the face that a dataset's list points at was not measured, that one is shown. A part without face `track` gives no row.

    Raises:
        UsageError: no part has a face of that number.
    """
    by_part: dict[object, list[Row]] = {}
    for row in rows:
        by_part.setdefault(row.get("part_index"), []).append(row)
    if track is None:
        return [min(tracks, key=_rank) for tracks in by_part.values()]
    found = [row for row in rows if row.get("track_index") == track]
    if not found:
        known = sorted({cast(int, row["track_index"]) for row in rows if row.get("track_index") is not None})
        have = f"there are {', '.join(map(str, known))}" if known else "no face was found"
        raise UsageError(f"no part of this clip has a face track {track}; {have}")
    return found


def at_each_moment(rows: Sequence[Row], shown: Sequence[Row]) -> list[Row]:
    """The shown rows, and those of other faces that are there while none of these is, in order of time: a cut ends a track."""
    taken = list(shown)
    for row in sorted(rows, key=lambda row: -cast(float, row.get("probability_at_offset") or 0)):
        if is_measured(row) and not any(row is one or _is_beside(row, one) for one in taken):
            taken.append(row)
    return sorted(taken, key=lambda row: (cast("int | None", row.get("part_index")) or 0, cast("float | None", row.get("start_s")) or 0.0))


def is_measured(row: Row) -> bool:
    """Whether the row holds sync numbers."""
    return row.get("failure") is None and row.get("offset_frames") is not None


def reason(row: Row) -> str:
    """Why the row holds no sync numbers: the code and its sentence."""
    return ": ".join(str(said) for said in (row.get("failure"), row.get("detail")) if said) or "not measured"


def notes(rows: Iterable[Row]) -> list[str]:
    """One line per thing that needs a word: marks in the table, parts that were not measured, unusual files, what is unusual in parts."""
    rows = list(rows)
    lines = [f"part {row.get('part_index')}: {row.get('detail') if is_measured(row) else reason(row)}" for row in rows if _is_noted(row)]
    lines += [line for row in rows for line in _remarks(row)]
    marks = ["* drawn"] * any(map(is_measured, rows)) + ["! the edge of the search"] * any(row.get("is_offset_at_edge") for row in rows)
    return [", ".join(marks)] * bool(marks) + list(dict.fromkeys(lines))


def verdict(shown: Iterable[Row]) -> str:
    """What the measured rows say together, in words."""
    measured = [row for row in shown if is_measured(row)]
    if not measured:
        return "nothing was measured"
    agreeing = _agreeing(measured)
    if not agreeing:
        best = max(cast(float, row["probability_at_offset"]) for row in measured)
        return f"sound and lips agree at none of the offsets searched (probability {best:.2f} at best)"
    offset = _offset_of(agreeing)
    said = [offset_in_words(offset)]
    offsets = [cast(int, row["offset_frames"]) for row in agreeing]
    if max(offsets) - min(offsets) > 1:
        said.append(f"it differs between parts, from {signed_offset(min(offsets))} to {signed_offset(max(offsets))}")
    if any(row.get("is_offset_at_edge") for row in agreeing if row["offset_frames"] == offset):
        said.append("it may be more: that is the edge of the search")
    if len(agreeing) < len(measured):
        n = len(measured) - len(agreeing)
        said.append(f"in {n} of {len(measured)} measured parts sound and lips agree at no offset")
    return "; ".join(said)


def offset_of_clip(shown: Iterable[Row]) -> int | None:
    """The offset that the verdict names; None where sound and lips agree at none, or nothing was measured."""
    agreeing = _agreeing(filter(is_measured, shown))
    return _offset_of(agreeing) if agreeing else None


def fitting_table(rows: Sequence[Row], shown: Sequence[Row], console: Console) -> tuple[Table, list[str]]:
    """The table with as many columns as the terminal has room for, and a line that names those left out, where there are."""
    for n in range(len(_SPARED) + 1):
        left_out = _SPARED[:n]
        table = table_of(rows, shown, left_out)
        if console.measure(table, options=console.options.update(max_width=1000)).maximum <= console.width:
            break
    return table, [f"left out for want of width: {', '.join(left_out)}"] * bool(left_out)


def table_of(rows: Sequence[Row], shown: Sequence[Row], left_out: Sequence[str] = ()) -> Table:
    """One line per part and face track; those that are drawn have a star, a failure stands where the offset would."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), collapse_padding=True, pad_edge=False, show_edge=False)
    headings = ("part", "track", "time in s", "offset, or\nwhy not", "margin", "p at\noffset", "p in\nsync", "off-\nscreen", "speech")
    kept = [i for i, heading in enumerate(headings) if heading.replace("-\n", "").replace("\n", " ") not in left_out]
    for i in kept:
        table.add_column(headings[i], justify="right", no_wrap=True)
    for row in rows:
        is_drawn = is_measured(row) and any(row is other for other in shown)
        cells = (
            number(row.get("part_index"), "d"),
            number(row.get("track_index"), "d") + ("*" if is_drawn else " "),
            _stretch(row),
            _offset(row),
            *(number(row.get(name), ".2f") for name in ("margin", "probability_at_offset", "probability_in_sync")),
            *(number(row.get(name), ".2f") for name in ("offscreen_ratio", "speech_ratio")),
        )
        table.add_row(*(Text(cells[i]) for i in kept))
    return table


def map_parts(shown: Sequence[Row], matrices: Matrices) -> list[MapPart]:
    """The shown rows as the figure wants them; rows that stand for no stretch of time are left out."""
    import numpy as np

    from syncqc.clock import IMAGE_RATE_HZ, WINDOW_CENTRE_IMAGE
    from syncqc.measure.probability import probability_map
    from syncqc.report.map_figure import MapPart

    parts = []
    for row in shown:
        start_s, end_s = cast("float | None", row.get("start_s")), cast("float | None", row.get("end_s"))
        if start_s is None or end_s is None or end_s <= start_s:
            continue
        cells = matrices.cells(row) if is_measured(row) else None
        intervals = cast("Sequence[Mapping[str, float]]", row.get("onscreen") or ())
        parts.append(
            MapPart(
                start_s,
                end_s,
                _heading(row),
                probability=None if cells is None else probability_map(cells, ~np.isnan(cells), matrices.tau),
                first_window_s=start_s + WINDOW_CENTRE_IMAGE / IMAGE_RATE_HZ,
                zero_offset_frames=matrices.zero_offset_frames,
                offset_frames=cast("int | None", row.get("offset_frames")),
                onscreen_s=[(interval["start_s"], interval["end_s"]) for interval in intervals],
                reason=None if is_measured(row) else reason(row),
            )
        )
    return parts


def _agreeing(measured: Iterable[Row]) -> list[Row]:
    return [row for row in measured if cast(float, row["probability_at_offset"]) >= AGREES]


def _rank(row: Row) -> tuple[bool, bool, bool]:
    return row.get("is_chosen_track") is not True, row.get("is_listed_face") is not True, not is_measured(row)


def _is_beside(one: Row, other: Row) -> bool:
    """Whether both rows are of the same moment."""
    if one.get("part_index") != other.get("part_index"):
        return False
    edges = [cast("float | None", row.get(name)) for row in (one, other) for name in ("start_s", "end_s")]
    start_s, end_s, other_start_s, other_end_s = edges
    if start_s is None or end_s is None or other_start_s is None or other_end_s is None:
        return True
    return start_s < other_end_s and other_start_s < end_s


def _remarks(row: Row) -> Iterator[str]:
    if row.get("is_listed_face"):
        yield f"part {row.get('part_index')}: track {row.get('track_index')} is the face that was pointed at"
    if row.get("frozen_start_s"):
        yield f"part {row.get('part_index')}: the picture stands still for its first {number(row.get('frozen_start_s'), '.2f')} s"


def _is_noted(row: Row) -> bool:
    return not is_measured(row) or bool(row.get("detail"))


def _heading(row: Row) -> str:
    track = row.get("track_index")
    where = f"part {row.get('part_index')} of {row.get('n_parts')}" + ("" if track is None else f", track {track}")
    if not is_measured(row):
        return where
    numbers = [f"p at offset {number(row.get('probability_at_offset'), '.2f')}"]
    if row.get("probability_in_sync") is not None:
        numbers.append(f"p in sync {number(row.get('probability_in_sync'), '.2f')}")
    numbers.append(f"offscreen {number(row.get('offscreen_ratio'), '.2f')}")
    return f"{where}: {signed_offset(cast(int, row['offset_frames']))}\n{', '.join(numbers)}"


def _offset_of(rows: Sequence[Row]) -> int:
    """The clip's own offset where the rows hold one that occurs among them, else the one with the most windows behind it."""
    votes: dict[int, int] = {}
    for row in rows:
        offset = cast(int, row["offset_frames"])
        votes[offset] = votes.get(offset, 0) + cast(int, row.get("n_windows") or 1)
    of_the_clip = rows[0].get("clip_offset_frames")
    return of_the_clip if isinstance(of_the_clip, int) and of_the_clip in votes else max(votes, key=lambda o: (votes[o], -abs(o)))


def _offset(row: Row) -> str:
    if not is_measured(row):
        return str(row.get("failure") or NO_NUMBER)
    frames, ms = cast(int, row["offset_frames"]), round(cast(float, row["offset_ms"]))
    return f"{signed(frames)} ({signed(ms)} ms)" + ("!" if row.get("is_offset_at_edge") else "")


def _stretch(row: Row) -> str:
    start, end = row.get("start_s"), row.get("end_s")
    return NO_NUMBER if start is None or end is None else f"{start:.1f}-{end:.1f}"
