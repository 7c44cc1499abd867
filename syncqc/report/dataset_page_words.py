"""The report page in sentences: how the datasets stand, which is worse and why, and what each figure shows.

Knows the sums that the page shows; neither files nor HTML. Names stand in quotation marks, because they are strangers' texts, and apart
from the sentence's direction of writing. A difference between datasets counts only where so many clips cannot give it by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from syncqc.clock import MS_PER_IMAGE
from syncqc.manifest.select import MAX_IN_TIME_FRAMES
from syncqc.report.dataset_page_standing import Standing
from syncqc.report.gathered import Gathered, Histogram, OwnOffsets
from syncqc.report.words import counted, signed

_ALIKE_SHARE = 0.02
_WORTH_SAYING_SHARE = 0.005
_FEW_ROWS = 50
_MANY_FAILED_SHARE = 0.05
_CHANCE = 2.0
"""Two shares differ where they are so many standard errors apart; a clip is one draw, whatever its rows."""
_MANY_NAMES = 4
"""Of more datasets only the ends are named."""
_APART, _TOGETHER = "\u2068", "\u2069"
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
    mended: tuple[int, ...]
    """Places of the datasets whose commands are shown."""
    shifted: tuple[int, ...]
    """Places of those that are early or late."""


def quoted_name(label: str) -> str:
    """The name in quotation marks; one that is not plain ASCII does not turn the sentence round."""
    return f"“{label}”" if label.isascii() else f"“{_APART}{label}{_TOGETHER}”"


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
        why = "None of these rows could be measured; the reasons stand below."
        has_rows = any(stand.n_rows for stand in stands)
        return Verdict("Nothing was measured" if has_rows else "There are no rows", why if has_rows else "", (), (), "", (), ())
    ranked = sorted(known, key=lambda stand: (stand.kept_share or 0.0, -stand.number))
    worst, best = ranked[0], ranked[-1]
    is_clear = worst is best or _differ(worst, best, "kept_share")
    shifted = [stand for stand in known if (stand.shifted_share or 0.0) > _WORTH_SAYING_SHARE]
    often_off = _worst_in_time(known)
    mended = {worst.number} if is_clear else {stand.number for stand in known}
    said = _shifts(shifted)
    return Verdict(
        _heading(worst, best, known, often_off, is_clear),
        _comparison(worst, best, len(known), is_clear),
        (*(_why(gathered, worst, best if worst is not best else None) if is_clear else ()), *said),
        _cautions(worst, known, is_clear),
        "This keeps what is good" + (", and shifts the sound of what is early or late:" if said else ":"),
        tuple(sorted(mended | ({often_off.number} if often_off is not None else set()))),
        tuple(stand.number for stand in shifted),
    )


def _differ(one: Standing, other: Standing, name: str) -> bool:
    """Whether two shares are apart by more than what is not worth a word and than chance gives."""
    apart = abs((getattr(one, name) or 0.0) - (getattr(other, name) or 0.0))
    variance = sum(_variance(getattr(stand, name) or 0.0, stand.n_clips) for stand in (one, other))
    return bool(apart >= max(_ALIKE_SHARE, _CHANCE * math.sqrt(variance)))


def _variance(share: float, n: int) -> float:
    """Of a share of `n` draws; one seen and one unseen are added, so that all of few is not taken for sure."""
    near = (share * n + 1) / (n + 2)
    return near * (1 - near) / (n + 2)


def _heading(worst: Standing, best: Standing, known: Sequence[Standing], often_off: Standing | None, is_clear: bool) -> str:
    more, name = "more" if len(known) == 2 else "most", quoted_name(worst.label)
    failed = max(known, key=lambda stand: stand.failed_share or 0.0)
    is_failed = (failed.failed_share or 0.0) > max(_MANY_FAILED_SHARE, 1 - (worst.kept_share or 0.0))
    if worst is best:
        heading = f"{name}: {percent(worst.kept_share)} of the measured time can be used"
        if (worst.shifted_share or 0.0) > _MANY_FAILED_SHARE:
            heading += f", {percent(worst.in_time_share)} without shifting the sound"
    elif often_off is not None and not is_clear:
        heading = f"{quoted_name(often_off.label)} is {more} often early or late"
        if is_failed and failed is often_off:
            failed_too = f", and {percent(failed.failed_share)} of its rows could not be measured"
            return f"{heading}{failed_too}; otherwise the datasets are about equally good"
        heading += "; otherwise the datasets are about equally good"
    elif not is_clear:
        heading = "The datasets are about equally good"
    elif often_off is not None and often_off is not worst:
        heading = f"{name} loses {more} to the filter, {quoted_name(often_off.label)} is {more} often early or late"
    else:
        heading = f"{name} is the {'worse of the two' if len(known) == 2 else f'worst of the {len(known)}'}"
    if is_failed:
        heading += f"; {percent(failed.failed_share)} of the rows of {quoted_name(failed.label)} could not be measured"
    return heading


def _cautions(worst: Standing, known: Sequence[Standing], is_clear: bool) -> tuple[str, ...]:
    few = [stand for stand in known if stand.n_measured < _FEW_ROWS]
    names = ", ".join(f"{quoted_name(stand.label)} ({stand.n_measured:,})" for stand in few)
    if len(few) > _MANY_NAMES:
        names = f"{len(few)} of {len(known)} datasets have fewer than {_FEW_ROWS}"
    rough = [f"Few measured rows stand behind this: {names}. A handful of other clips could change the picture."] if few else []
    failed = [
        f"{percent(stand.failed_share)} of the rows of {quoted_name(stand.label)} could not be measured (most often: {stand.main_failure})."
        for stand in known
        if not (stand is worst and is_clear) and (stand.failed_share or 0.0) > _MANY_FAILED_SHARE
    ]
    return (*rough, *failed)


def _worst_in_time(known: Sequence[Standing]) -> Standing | None:
    """The dataset of which least is good and in time as it is; None where that is not known, or where all are alike."""
    if any(stand.in_time_share is None for stand in known):
        return None
    ranked = sorted(known, key=lambda stand: stand.in_time_share or 0.0)
    return ranked[0] if _differ(ranked[0], ranked[-1], "in_time_share") else None


def _comparison(worst: Standing, best: Standing, n: int, is_clear: bool) -> str:
    """How much of them stays."""
    low, high = percent(worst.kept_share), percent(best.kept_share)
    by_default, name = "With the default thresholds of syncqc filter", quoted_name(worst.label)
    if worst is best:
        return f"{by_default} {low} of the measured time of {name} stays."
    if not is_clear:
        is_apart = (best.kept_share or 0.0) - (worst.kept_share or 0.0) >= _ALIKE_SHARE
        by_chance = "; between so few clips such a difference can be chance" if is_apart else ""
        return f"{by_default} {low} (least, of {name}) to {high} of their measured time stays{by_chance}."
    of_best = f"of {quoted_name(best.label)}{'' if n == 2 else ', the best,'} {high}"
    return f"{by_default} {low} of the measured time of {name} stays, {of_best}."


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
        return "" if best is None else f"; {quoted_name(best.label)}: {percent(getattr(best, name))}"

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


def _shifts(found: Sequence[Standing]) -> tuple[str, ...]:
    if not found:
        return ()
    shares = _listed([f"{percent(stand.shifted_share)} of {quoted_name(stand.label)}" for stand in found])
    if len(found) > _MANY_NAMES:
        most = max(found, key=lambda stand: stand.shifted_share or 0.0)
        shares = f"of {len(found)} datasets some, at most {percent(most.shifted_share)} of {quoted_name(most.label)},"
    by = f"{MAX_IN_TIME_FRAMES} image ({MAX_IN_TIME_FRAMES * MS_PER_IMAGE}{_NO_BREAK}ms)"
    return (f"Of what stays, {shares} is early or late by more than {by}; syncqc resync puts that right.",)


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def histogram_in_words(histogram: Histogram, labels: Sequence[str]) -> str:
    """The medians, as one sentence; of many only the least and the greatest."""
    found = [(_median(histogram.edges, counts), label) for counts, label in zip(histogram.counts, labels, strict=True) if any(counts)]
    said = ", ".join(f"{_in_words(value, histogram)} in {quoted_name(label)}" for value, label in found)
    if len(found) > _MANY_NAMES:
        least, most = min(found), max(found)
        ends = [f"{_in_words(value, histogram)} in {quoted_name(label)}" for value, label in (least, most)]
        said = f"from {ends[0]} to {ends[1]}" if least[0] < most[0] else f"{_in_words(least[0], histogram)} in each dataset"
    unknown = sum(histogram.n_null)
    of = "clip" if histogram.name.startswith("clip_") else "row"
    missing = f" Not measured in {counted(unknown, of)}." if unknown else ""
    return (f"Median {said}." if found else f"No {of} has it.") + missing


def bias_in_words(histogram: Histogram | None, labels: Sequence[str]) -> str:
    """What a dot and its bar mean, and how many rows are off."""
    how = "Dot: median; bar: nine in ten rows."
    if histogram is None:
        return how
    middle = (np.array(histogram.edges[:-1]) + np.array(histogram.edges[1:])) / 2
    found = [
        (float(np.array(counts)[np.abs(middle) > MAX_IN_TIME_FRAMES + 0.5].sum() / sum(counts)), label)
        for counts, label in zip(histogram.counts, labels, strict=True)
        if any(counts)
    ]
    if not found:
        return how
    shown, joint = (found, ", ") if len(found) <= _MANY_NAMES else ([min(found), max(found)], " to ")
    shares = joint.join(f"{percent(share)} of {quoted_name(label)}" for share, label in shown)
    return f"{how} Off by more than {MAX_IN_TIME_FRAMES} image, good or not: {shares}."


def own_offsets_in_words(own: OwnOffsets) -> str:
    """How many of the offsets that a dataset gives itself are those that were measured."""
    agree = f"{own.n_agreeing:,} of {counted(own.n_clips, 'clip')} agree to within one image"
    if not own.bias_frames:
        return f"{agree}; there is no bias between them (dashed line: equal)."
    bias = f"{abs(own.bias_frames):g} image{'' if abs(own.bias_frames) == 1 else 's'}"
    return f"{agree} once a bias is taken off: ours are {bias} {'higher' if own.bias_frames > 0 else 'lower'} (dashed line)."


def _median(edges: Sequence[float], counts: Sequence[int]) -> float:
    sums = np.cumsum(counts)
    at = int(np.searchsorted(sums, sums[-1] / 2))
    return (edges[at] + edges[at + 1]) / 2


def _in_words(value: float, histogram: Histogram) -> str:
    """Offsets with their sign and whole, the others with two digits."""
    return signed(round(value)) if histogram.edges[1] - histogram.edges[0] == 1 else f"{value:.2g}"
