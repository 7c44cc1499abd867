"""What changed, in sentences and short labels, for the page and for the terminal.

Knows sums; neither HTML nor the terminal.
"""

from __future__ import annotations

from syncqc.report.compared import Amount, Change, Comparison, Matching, Moves, Reading
from syncqc.report.words import NO_NUMBER, counted, signed
from syncqc.report.words import length_in_words as length

_LEAST_S = 0.5
NEAR_MOVES = 5
"""Moves of up to so many images have a line of their own."""


def verdict(found: Comparison) -> str:
    """What changed, in one sentence."""
    if not found.matching.n_rows:
        return _nothing_in_common(found)
    if found.is_same:
        rows = f"the {counted(found.matching.n_rows, 'row')} of {counted(found.matching.n_clips, 'clip')}"
        return (
            f"Nothing that is compared differs: {rows} have the same failures, chosen tracks, offsets, probabilities and offscreen "
            f"ratios, and the rules keep {length(found.kept.new_s)} of {length(found.kept.all.length_s)} of both."
        )
    said = [_kept(found), _moved(found.offsets), _failures(found), _alone(found.matching)]
    return "; ".join(part for part in said if part) + "."


def shift(moves: Moves) -> str | None:
    """That all offsets moved by a constant, and how many are within one image once it is taken off; None where they did not."""
    if not moves.median:
        return None
    left = moves.n - moves.n_beyond(around=moves.median)
    return (
        f"Half of the offsets moved by {images(moves.median)} or more: the networks' own zeros may differ. "
        f"With that taken off, {share(left, moves.n)} are within 1 image."
    )


def matched(matching: Matching) -> list[tuple[str, str]]:
    """What could be compared: label and text."""
    m = matching
    said = [
        ("compared", f"{counted(m.n_rows, 'row')} of {counted(m.n_clips, 'clip')} that are in both; a row is the chosen track of a part"),
        ("only in OLD", _only(m.only_old)),
        ("only in NEW", _only(m.only_new)),
        ("chosen track", f"the same number in {m.n_same_track:,} rows, another in {m.n_other_track:,} (of those that both measured)"),
    ]
    if m.n_other_stretch:
        said.append(("other stretch", f"{counted(m.n_other_stretch, 'row')} compared although the face begins or ends at another image"))
    if m.elsewhere_old or m.elsewhere_new:
        recut = f", {counted(m.n_recut_clips, 'clip')} cut into another number of parts" if m.n_recut_clips else ""
        said.append(
            ("other part borders", f"{m.elsewhere_old:,} rows of OLD and {m.elsewhere_new:,} of NEW, which are not compared{recut}")
        )
    return said


def move_lines(*moves: Moves) -> list[tuple[str, list[int]]]:
    """By how many images offsets moved, and how many did so in each of `moves`; those far off are counted together."""
    found = sorted({move for one in moves for move in one.counts})
    near = [move for move in found if abs(move) <= NEAR_MOVES]
    groups = [(f"by {move:+d}" if move else "not at all", [move]) for move in near]
    for label, far in (
        (f"by less than -{NEAR_MOVES}", [move for move in found if move < -NEAR_MOVES]),
        (f"by more than +{NEAR_MOVES}", [move for move in found if move > NEAR_MOVES]),
    ):
        if far:
            groups.insert(0 if far[0] < 0 else len(groups), (label, far))
    return [(label, [sum(one.counts.get(move, 0) for move in group) for one in moves]) for label, group in groups]


def change(of: Change) -> str:
    """How far a column's values differ, in one sentence."""
    if not of.n or of.mean is None or of.median_size is None or of.high_size is None or of.largest is None:
        return f"No row has the {of.title} on both sides."
    if of.n_equal == of.n:
        return f"The {of.title} is the same in {'the one row' if of.n == 1 else f'all {of.n:,} rows'}."
    correlation = "no correlation, as one side does not vary" if of.correlation is None else f"correlation {of.correlation:.3f}"
    return (
        f"In {counted(of.n, 'row')} the {of.title} differs by {thousandths(of.mean)} in the mean; "
        f"half differ by at most {of.median_size:.3f}, 95% by at most {of.high_size:.3f}, the farthest by {of.largest:.3f}; {correlation}."
    )


def reading(of: Reading) -> str:
    """Whether a row is kept, and why not."""
    if of.reason is not None:
        return of.reason
    return "kept" if of.dropped_by is None else f"dropped: {of.dropped_by}"


def amount(of: Amount) -> str:
    """Rows, clips and time; of no rows a word."""
    if not of.n_rows:
        return "none"
    return f"{counted(of.n_rows, 'row')}, {counted(of.n_clips, 'clip')}, {length(of.length_s)}"


def more(seconds: float) -> str:
    """A difference of two lengths with its sign; 0 s without one."""
    if abs(seconds) < _LEAST_S:
        return "0 s"
    return ("+" if seconds > 0 else "-") + length(abs(seconds))


def share(n: int, of: int) -> str:
    """The share in per cent; a dash of nothing."""
    return f"{n / of:.1%}" if of else NO_NUMBER


def images(n: float) -> str:
    """A number of images with its sign."""
    return f"{signed(n)} {'image' if abs(n) == 1 else 'images'}"


def thousandths(n: float | None) -> str:
    """A difference with its sign and three decimals; what rounds to zero has no sign, and what is not there is a dash."""
    return NO_NUMBER if n is None else f"{n:+.3f}" if abs(n) >= 0.0005 else "0.000"


def _nothing_in_common(found: Comparison) -> str:
    empty = [name for name, total in (("OLD", found.old), ("NEW", found.new)) if not total.source.n_rows]
    if empty:
        both = "both manifests have" if len(empty) == 2 else f"{empty[0]} has"
        return f"There is nothing to compare: {both} no rows."
    if not found.matching.n_clips:
        clips = f"the {found.old.source.n_clips:,} and {found.new.source.n_clips:,} clips"
        return f"There is nothing to compare: {clips} have no clip_id in common."
    return "There is nothing to compare: no row of the one is in the other, or their parts have other borders."


def _kept(found: Comparison) -> str:
    kept = found.kept
    compared = length(kept.all.length_s)
    more_s = kept.new_s - kept.old_s
    if abs(more_s) < _LEAST_S:
        swap = f", though not the same {counted(kept.only_old.n_rows + kept.only_new.n_rows, 'row')}" if kept.only_old.n_rows else ""
        return f"Under the same rules NEW keeps as much as OLD, {length(kept.new_s)} of {compared}{swap}"
    how = "more" if more_s > 0 else "less"
    new, old = length(kept.new_s), length(kept.old_s)
    against = f"{new} against {old}, of" if new != old else f"about {new} of the"
    return f"Under the same rules NEW keeps {length(abs(more_s))} {how} than OLD: {against} {compared}"


def _moved(moves: Moves) -> str:
    if not moves.n:
        return "no row has an offset in both"
    constant = f", and the median by {images(moves.median)}" if moves.median else ""
    beyond = (
        f"{share(moves.n_beyond(), moves.n)} of {counted(moves.n, 'row')}" if moves.n_beyond() else f"none of {counted(moves.n, 'row')}"
    )
    return f"offsets moved by more than 1 image in {beyond}{constant}"


def _failures(found: Comparison) -> str:
    said = []
    if found.n_appeared:
        said.append(f"{counted(found.n_appeared, 'row')} could no longer be measured")
    if found.n_gone:
        said.append(f"{counted(found.n_gone, 'row')} could be measured only now")
    return " and ".join(said)


def _alone(matching: Matching) -> str:
    said = [f"{only.n_rows:,} only in {side}" for side, only in (("OLD", matching.only_old), ("NEW", matching.only_new)) if only.n_rows]
    if matching.elsewhere_old or matching.elsewhere_new:
        said.append(f"{matching.elsewhere_old:,} and {matching.elsewhere_new:,} have other part borders")
    return f"not compared: rows of which {', '.join(said)}" if said else ""


def _only(of: Amount) -> str:
    return f"{counted(of.n_rows, 'row')} ({length(of.length_s)}), {counted(of.n_clips, 'whole clip')} among them" if of.n_rows else "none"
