"""Two lines of characters per part: how probable sync is along time, and when the face is the speaker.

::

    part 0, 0.0 s  ▁▂▇██████▇▆▂▁▁▁▁▃▇███      probability at the offset, from 0 to 1
    speaks         ░░███████████░░░░░███      the speaker, or not; a blank: not measured

Knows rows and their matrices, and no terminal but its width and whether it has more than ASCII.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from syncqc.cli.inspect_view import Matrices, Row, is_measured

if TYPE_CHECKING:
    from rich.text import Text

_LEVELS, _ASCII_LEVELS = "▁▂▃▄▅▆▇█", "0123456789"
_SPEAKER, _ASCII_SPEAKER = "█░ ", "#. "
"""The speaker, not the speaker, not measured."""
_WIDEST = 125
"""As many windows as a part of 5 s has, nearly: more room shows nothing more."""


def strips(shown: Sequence[Row], matrices: Matrices, width: int, *, is_ascii: bool = False) -> Iterator[Text]:
    """Lines for all measured rows, on one scale of time, under one line that says what the characters mean."""
    from rich.text import Text

    from syncqc.clock import MS_PER_IMAGE

    found = [(row, cells) for row in shown if is_measured(row) and (cells := matrices.cells(row)) is not None]
    if not found:
        return
    levels, speaker = (_ASCII_LEVELS, _ASCII_SPEAKER) if is_ascii else (_LEVELS, _SPEAKER)
    labels = [f"part {row.get('part_index')}, {cast(float, row['start_s']):.1f} s" for row, _ in found]
    label_width = max(len("speaks"), *map(len, labels)) + 2
    room = max(10, min(_WIDEST, width - label_width))
    per_character = -(-max(cells.shape[1] for _, cells in found) // room)
    ms = per_character * MS_PER_IMAGE
    yield Text(f"one character is {ms} ms; {levels[0]} to {levels[-1]}: probability at the offset, 0 to 1;")
    yield Text(f"{speaker[0]} the face is the speaker, {speaker[1]} it is not, blank: not measured")
    for label, (row, cells) in zip(labels, found, strict=True):
        probabilities = along_time(row, cells, matrices)
        yield Text(label.ljust(label_width) + sparkline(probabilities, per_character, levels))
        yield Text("speaks".ljust(label_width) + speaker_bar(row, probabilities, per_character, speaker))


def along_time(row: Row, cells: Any, matrices: Matrices) -> Any:
    """Per window (n,) the probability at the row's offset, smoothed and the best within 1 of it, as `probability_at_offset` takes them."""
    import numpy as np

    from syncqc.clock import shift_of_offset
    from syncqc.measure.probability import best_cosines, smooth, window_probability

    shift = shift_of_offset(cast(int, row["offset_frames"]) + matrices.zero_offset_frames, cells.shape[0] // 2)
    return window_probability(best_cosines(smooth(cells, ~np.isnan(cells)), shift), matrices.tau)


def sparkline(probabilities: Any, per_character: int, levels: str = _LEVELS) -> str:
    """One character per `per_character` windows: the level of their mean, blank where none was measured."""
    import numpy as np

    line = []
    for piece in _pieces(probabilities, per_character):
        known = piece[~np.isnan(piece)]
        line.append(levels[min(len(levels) - 1, int(known.mean() * len(levels)))] if known.size else " ")
    return "".join(line)


def speaker_bar(row: Row, probabilities: Any, per_character: int, characters: str = _SPEAKER) -> str:
    """One character per `per_character` windows: what most of those that were measured are."""
    import numpy as np

    from syncqc.clock import IMAGE_RATE_HZ, WINDOW_CENTRE_IMAGE

    first_s = cast(float, row["start_s"]) + WINDOW_CENTRE_IMAGE / IMAGE_RATE_HZ
    middle_s = first_s + (np.arange(len(probabilities)) + 0.5) / IMAGE_RATE_HZ
    intervals = cast("Sequence[Mapping[str, float]]", row.get("onscreen") or ())
    speaks = np.zeros(len(probabilities), np.float64)
    for interval in intervals:
        speaks[(middle_s >= interval["start_s"]) & (middle_s < interval["end_s"])] = 1
    speaks[np.isnan(probabilities)] = np.nan
    line = []
    for piece in _pieces(speaks, per_character):
        known = piece[~np.isnan(piece)]
        line.append(characters[2] if not known.size else characters[0] if known.mean() >= 0.5 else characters[1])
    return "".join(line)


def _pieces(values: Any, length: int) -> list[Any]:
    return [values[i : i + length] for i in range(0, len(values), length)]
