"""A start-time test as a page of Markdown: the answer, the figures behind it, the comb of the errors, and how learning went.

Knows the test as it is written to JSON; measures nothing and writes no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

HEADING = "# Can the start of a trim be told? "
_WHAT = {"rgb": "pictures", "audio": "sound"}
_MOST_LOOKS = 12


def page(about: Mapping[str, Any]) -> str:
    """The page of one test, as written to JSON."""
    found = about["found"]
    head = f"{HEADING}{_WHAT[about['modality']].capitalize()}: {found['verdict']}\n\n```\n{about['command']}\n```\n\n{found['reason']}.\n"
    parts = [head, question(about)]
    if found["learnt"] is not None:
        parts += [_table(("", "accuracy", "95 %", "chance", "p"), figures(found)), _comb(found), _curve(found["learnt"])]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def question(about: Mapping[str, Any]) -> str:
    """What was asked of how many clips, and which were left out, in sentences."""
    found, failed = about["found"], about["failed"]
    said = []
    if found["n_classes"]:
        said.append(
            f"When in the first {found['clip_s']:g} s of its clip does a trim of {found['trim_s']:g} s begin? "
            f"{found['n_classes']} starts, 0.1 s apart."
        )
    if found["rate_hz"]:
        said.append(f"Sound at {found['rate_hz']} Hz.")
    n, of = found["n_clips"], found["n_speakers"]
    said.append(
        f"{n['train']} clips to learn from, {n['validation']} to stop by, {n['test']} to judge on "
        f"(speakers: {of['train']}, {of['validation']}, {of['test']})."
    )
    left = {**failed, **found["left_out"]}
    if about["n_not_drawn"]:
        left["not drawn"] = about["n_not_drawn"]
    if left:
        said.append("Left out: " + ", ".join(f"{reason} {n}" for reason, n in left.items()) + ".")
    return " ".join(said)


def figures(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A line of words per figure: name, value, range, chance, p."""
    lines: list[tuple[str, ...]] = []
    for name, key in (("at 1", "at_1"), ("at 5", "at_5")):
        one = found["accuracy"][key]
        lines.append((name, f"{one['value']:.1%}", _range(one["interval95"]), f"{one['chance']:.1%}", f"{one['p_value']:.2g}"))
    if found["comb"] is not None:
        one = found["comb"]
        between = "" if one["interval95"] is None else "{:+.2f} to {:+.2f}".format(*one["interval95"])
        lines.append(("comb of errors", f"{one['value']:+.2f}", between, "0", f"{one['p_value']:.2g}"))
    return lines


def _comb(found: Mapping[str, Any]) -> str:
    if found["comb"] is None:
        return "No comb: no clip has evenly spaced key frames or blocks whose length is known, or no guess was wrong."
    bins = found["comb"]["folded"]
    heading = (
        f"Wrong guesses, folded by the distance of key frames or of the codec's blocks (median {found['median_period_s']:.4g} s): "
        "how far past a whole number of them a guess lies."
    )
    return heading + "\n\n" + _table(tuple(f"{k}/{len(bins)}" for k in range(len(bins))), [tuple(str(n) for n in bins)])


def _curve(learnt: Mapping[str, Any]) -> str:
    looks = learnt["curve"]
    every = -(-len(looks) // _MOST_LOOKS)
    shown = looks[every - 1 :: every]
    lines = [
        (
            str(look["n_batches"]),
            f"{look['train_loss']:.3f}",
            f"{look['validation_loss']:.3f}",
            f"{look['accuracy_at_1']:.1%}",
            f"{look['accuracy_at_5']:.1%}",
        )
        for look in shown
    ]
    told = (
        f"{learnt['n_parameters']} weights, {learnt['device']}, {learnt['wall_s']:.0f} s; {learnt['ended']}; "
        f"judged are the weights of batch {learnt['best_at_batch']}. On the validation clips:"
    )
    return told + "\n\n" + _table(("batches", "training loss", "loss", "at 1", "at 5"), lines)


def _range(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.1f}-{100 * interval[1]:.1f}"


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *lines))
