"""How each dataset fares under the thresholds that `syncqc filter` has by default: the shares that the report page speaks of.

Knows the sums that the page shows; neither files, nor sentences, nor HTML.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from syncqc.errors import Failure
from syncqc.manifest.select import MAX_IN_TIME_FRAMES
from syncqc.report.gathered import Cells, Gathered
from syncqc.report.words import shortened

_NAME_CHARACTERS = 48
_UNSEEN = ("Cc", "Cf", "Zl", "Zp")
"""Unicode's categories of signs that change how others are shown."""
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Standing:
    """How one dataset fares under the thresholds that `syncqc filter` has by default. Shares are of its time, if not said otherwise."""

    number: int
    label: str
    n_rows: int
    n_measured: int
    n_clips: int
    n_speakers: int
    length_s: float
    kept_share: float | None
    """None: no time."""
    below_p_share: float | None
    offscreen_share: float | None
    shifted_share: float | None
    """Of the time that is kept, what is off by more than `MAX_IN_TIME_FRAMES`; None also where the sound was shifted since."""
    in_time_share: float | None
    """Of all its time, what is kept and in time as it is."""
    failed_share: float | None
    """Of its rows, those without numbers."""
    main_failure: str | None
    """What the most frequent reason means."""


def labels_of(gathered: Gathered) -> tuple[str, ...]:
    """The datasets' names as the page shows them: of one line, shortened, and no two alike.

    Where several manifests hold one of that name, with the manifest.
    """
    names = [dataset.name for dataset in gathered.datasets]
    whole = [dataset.name if names.count(dataset.name) == 1 else f"{dataset.name}, {dataset.manifest}" for dataset in gathered.datasets]
    shown = [shortened(_on_one_line(name), _NAME_CHARACTERS) for name in whole]
    return tuple(name if shown.count(name) == 1 else f"{name} ({shown[: at + 1].count(name)})" for at, name in enumerate(shown))


def _on_one_line(name: str) -> str:
    """Without what does not show itself: line ends, tabs, and marks that turn the direction of writing round."""
    return " ".join("".join(" " if unicodedata.category(one) in _UNSEEN else one for one in name).split()) or "no name"


def standings(gathered: Gathered) -> tuple[Standing, ...]:
    """One per dataset, in their order."""
    labels = labels_of(gathered)
    return tuple(_standing(gathered, number, label) for number, label in enumerate(labels))


def _standing(gathered: Gathered, number: int, label: str) -> Standing:
    dataset, cells = gathered.datasets[number], gathered.cells
    meets = {slider.name: _meets(cells, place, slider.default) for place, slider in enumerate(cells.sliders)}
    everything = np.ones(len(cells.dataset), np.bool_)
    meets_p, meets_offscreen = meets.get("p", everything), meets.get("offscreen", everything)
    kept = np.logical_and.reduce([everything, *meets.values()])
    in_time = None if _is_resynced(gathered, dataset.manifest) else _is_in_time(cells)

    def length_s(flags: Flags) -> float:
        return _length_s(cells, number, flags)

    kept_s, all_s = length_s(kept), length_s(everything)
    whole_s = max(dataset.length_s, all_s)
    n_failed = sum(dataset.failures.values())
    reason = next(iter(dataset.failures), None)
    return Standing(
        number,
        label,
        dataset.n_rows,
        dataset.n_measured,
        dataset.n_clips,
        dataset.n_speakers,
        dataset.length_s,
        kept_share=_over(kept_s, whole_s),
        below_p_share=_over(all_s - length_s(meets_p), whole_s),
        offscreen_share=_over(all_s - length_s(meets_offscreen), whole_s),
        shifted_share=None if in_time is None else _over(kept_s - length_s(kept & in_time), kept_s),
        in_time_share=None if in_time is None else _over(length_s(kept & in_time), whole_s),
        failed_share=_over(n_failed, dataset.n_rows),
        main_failure=None if reason is None else meaning_of(reason),
    )


def _is_resynced(gathered: Gathered, manifest: str) -> bool:
    """Whether `syncqc resync` wrote the manifest: its offsets are those from before, and how many are left is not known."""
    return any(source.manifest == manifest and "resync" in source.made_by for source in gathered.sources)


def meaning_of(reason: str) -> str:
    """What a reason stands for; the reason itself where this version does not know it."""
    return Failure(reason).meaning if reason in set(Failure) else reason


def _meets(cells: Cells, slider: int, place: int | None) -> Flags:
    """Per cell, whether its rows meet the slider's limit at that place; None: it is off."""
    return np.array(cells.levels[slider], np.int64) > (-1 if place is None else place)


def _length_s(cells: Cells, dataset: int, flags: Flags) -> float:
    """The dataset's time that these cells cover; what several of them cover together counts once."""
    of_it = flags & (np.array(cells.dataset, np.int64) == dataset)
    together = sum(time_s for cell_set, time_s in zip(cells.shared, cells.shared_s, strict=True) if of_it[list(cell_set)].any())
    return float(np.array(cells.length_s, np.float64)[of_it].sum()) + together


def _is_in_time(cells: Cells) -> Flags | None:
    for number, slider in enumerate(cells.sliders):
        if slider.name == "max_offset" and MAX_IN_TIME_FRAMES in slider.limits:
            return _meets(cells, number, slider.limits.index(MAX_IN_TIME_FRAMES))
    return None


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
