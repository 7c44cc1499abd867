"""The report page in sentences: how the datasets stand, which is worse and why, and what each figure shows.

Knows the sums that the page shows; neither files nor HTML. Names stand in quotation marks, because they are strangers' texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from syncqc.clock import MS_PER_IMAGE
from syncqc.manifest.select import MAX_IN_TIME_FRAMES
from syncqc.report.dataset_page_standing import Standing
from syncqc.report.gathered import Gathered, Histogram

_ALIKE_SHARE = 0.02
_WORTH_SAYING_SHARE = 0.005
_FEW_ROWS = 50
_MANY_FAILED_SHARE = 0.05
_MANY_HOURS = 100
_NO_BREAK = "\u00a0"
UNKNOWN = "\u2013"
"""Stands where there is no number."""


@dataclass(frozen=True)
class Verdict:
    """Which dataset is worse and why, and the lines that mend it."""

    heading: str
    standing: str
    """How much of the worst and of the best stays."""
    reasons: tuple[str, ...]
    """Why, the weightiest first."""
    cautions: tuple[str, ...]
    remedy: str
    worst: int | None
    """Place of the worst dataset; None where there is none."""
    has_shifts: bool


def length_in_words(seconds: float) -> str:
    """A length as people say it: ``12 s``, ``3.5 min``, ``2.25 h``, ``1,234 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.2f} h" if seconds < _MANY_HOURS * 3600 else f"{seconds / 3600:,.0f} h"


def percent(share: float | None) -> str:
    """The share in whole percent; small and nearly full ones are not rounded away."""
    if share is None:
        return UNKNOWN
    if 0 < share < 0.01:
        return f"<{_NO_BREAK}1{_NO_BREAK}%"
    return f">{_NO_BREAK}99{_NO_BREAK}%" if 0.99 < share < 1 else f"{100 * share:.0f}{_NO_BREAK}%"


def verdict(gathered: Gathered, stands: Sequence[Standing]) -> Verdict:
    """In a few sentences which dataset is worse and why."""
    known = [stand for stand in stands if stand.kept_share is not None]
    if not known:
        return Verdict("Nothing was measured", "None of these rows could be measured; the reasons stand below.", (), (), "", None, False)
    ranked = sorted(known, key=lambda stand: (stand.kept_share or 0.0, -stand.number))
    worst, best = ranked[0], ranked[-1]
    heading, first = _comparison(worst, best, len(known))
    shifted = _shifts(known)
    return Verdict(
        _with_other_troubles(heading, worst, known),
        first,
        (*_why(gathered, worst, best if worst is not best else None), *([] if shifted is None else [shifted])),
        _cautions(worst, known),
        "This keeps what is good" + (":" if shifted is None else ", and shifts the sound of what is early or late:"),
        worst.number,
        shifted is not None,
    )


def _with_other_troubles(heading: str, worst: Standing, known: Sequence[Standing]) -> str:
    """The heading, and where another dataset has more of another trouble, that."""
    often_off = _worst_in_time(known)
    if often_off is not None and often_off is not worst:
        much = "more" if len(known) == 2 else "most"
        heading = f"“{worst.label}” loses {much} to the filter, “{often_off.label}” is {much} often early or late"
    failed = max(known, key=lambda stand: stand.failed_share or 0.0)
    if failed is not worst and (failed.failed_share or 0.0) > _MANY_FAILED_SHARE:
        heading += f"; {percent(failed.failed_share)} of “{failed.label}” could not be measured"
    return heading


def _cautions(worst: Standing, known: Sequence[Standing]) -> tuple[str, ...]:
    few = ", ".join(f"“{stand.label}” ({stand.n_measured:,})" for stand in known if stand.n_measured < _FEW_ROWS)
    rough = [f"Few measured rows stand behind this: {few}. A handful of other clips could change the picture."] if few else []
    failed = [
        f"{percent(stand.failed_share)} of the rows of “{stand.label}” could not be measured (most often: {stand.main_failure})."
        for stand in known
        if stand is not worst and (stand.failed_share or 0.0) > _MANY_FAILED_SHARE
    ]
    return (*rough, *failed)


def _worst_in_time(known: Sequence[Standing]) -> Standing | None:
    """The dataset of which least is good and in time as it is; None where that is not known, or where all are alike."""
    shares = [stand.in_time_share for stand in known]
    if None in shares or max(filter(None, shares), default=0.0) - min(share or 0.0 for share in shares) < _ALIKE_SHARE:
        return None
    return min(known, key=lambda stand: stand.in_time_share or 0.0)


def _comparison(worst: Standing, best: Standing, n: int) -> tuple[str, str]:
    """Heading, and how much of them stays."""
    low, high = percent(worst.kept_share), percent(best.kept_share)
    by_default = "With the default thresholds of syncqc filter"
    if worst is best:
        heading = f"“{worst.label}”: {low} of the measured time can be used"
        return heading, f"{by_default} {low} of the measured time of “{worst.label}” stays."
    if (best.kept_share or 0.0) - (worst.kept_share or 0.0) < _ALIKE_SHARE:
        heading = "The datasets are about equally good"
        return heading, f"{by_default} {low} to {high} of their measured time stays, least of “{worst.label}”."
    heading = f"“{worst.label}” is the {'worse of the two' if n == 2 else f'worst of the {n}'}"
    of_best = f"of “{best.label}”{'' if n == 2 else ', the best,'} {high}"
    return heading, f"{by_default} {low} of the measured time of “{worst.label}” stays, {of_best}."


def _why(gathered: Gathered, worst: Standing, best: Standing | None) -> list[str]:
    """What the worst dataset loses its time to, the weightiest first, and beside it what the best one loses to the same."""
    limits = {slider.name: slider.limits[slider.default] for slider in gathered.cells.sliders if slider.default is not None}
    causes = [
        (worst.below_p_share, "below_p_share", f"voice and lips hardly fit (probability below {_said(limits, 'p')}"),
        (
            worst.offscreen_share,
            "offscreen_share",
            f"the face shown is not the speaker for too long (offscreen ratio above {_said(limits, 'offscreen')}",
        ),
    ]

    def beside(name: str) -> str:
        return "" if best is None else f"; “{best.label}”: {percent(getattr(best, name))}"

    parts = [
        f"In {percent(share)} of its time {what}{beside(name)})."
        for share, name, what in sorted(causes, key=lambda cause: -(cause[0] or 0.0))
        if (share or 0.0) > _WORTH_SAYING_SHARE
    ]
    if (worst.failed_share or 0.0) > _WORTH_SAYING_SHARE:
        often = f"most often: {worst.main_failure}"
        parts.append(f"{percent(worst.failed_share)} of its rows could not be measured ({often}{beside('failed_share')}).")
    return parts


def _said(limits: Mapping[str, float], name: str) -> str:
    return f"{limits[name]:g}" if name in limits else "the limit"


def _shifts(known: Sequence[Standing]) -> str | None:
    found = [stand for stand in known if (stand.shifted_share or 0.0) > _WORTH_SAYING_SHARE]
    if not found:
        return None
    shares = _listed([f"{percent(stand.shifted_share)} of “{stand.label}”" for stand in found])
    by = f"{MAX_IN_TIME_FRAMES} image ({MAX_IN_TIME_FRAMES * MS_PER_IMAGE}{_NO_BREAK}ms)"
    return f"Of what stays, {shares} is early or late by more than {by}; syncqc resync puts that right."


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def histogram_in_words(histogram: Histogram, labels: Sequence[str]) -> str:
    """The medians, as one sentence."""
    found = [
        f"{_median(histogram.edges, counts)} in “{label}”" for counts, label in zip(histogram.counts, labels, strict=True) if any(counts)
    ]
    unknown = sum(histogram.n_null)
    missing = f" Not measured in {unknown:,} rows." if unknown else ""
    return (f"Median {', '.join(found)}." if found else "No row has it.") + missing


def bias_in_words(histogram: Histogram | None, labels: Sequence[str]) -> str:
    """What a dot and its bar mean, and how many rows are off."""
    how = "Dot: median; bar: nine in ten rows."
    if histogram is None:
        return how
    middle = (np.array(histogram.edges[:-1]) + np.array(histogram.edges[1:])) / 2
    shares = [
        f"{percent(float(np.array(counts)[np.abs(middle) > MAX_IN_TIME_FRAMES + 0.5].sum() / sum(counts)))} of “{label}”"
        for counts, label in zip(histogram.counts, labels, strict=True)
        if any(counts)
    ]
    return f"{how} Off by more than {MAX_IN_TIME_FRAMES} image, good or not: {', '.join(shares)}." if shares else how


def _median(edges: Sequence[float], counts: Sequence[int]) -> str:
    sums = np.cumsum(counts)
    at = int(np.searchsorted(sums, sums[-1] / 2))
    return (
        f"{(edges[at] + edges[at + 1]) / 2:.2g}"
        if edges[at + 1] - edges[at] != 1
        else f"{round((edges[at] + edges[at + 1]) / 2):+d}".replace("+0", "0")
    )
