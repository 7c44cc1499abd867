"""What every rule says of every row of one clip.

Knows rules and files; the verdicts are those of `manifest.judge`, as for the whole manifest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from syncqc.errors import UsageError
from syncqc.manifest.blocks import PLACE_COLUMNS, Block
from syncqc.manifest.judge import Judge
from syncqc.manifest.rules import CLIP, MEASURED, WHERE_COLUMN, Rules
from syncqc.manifest.where import in_sql, is_met, query, selected


@dataclass(frozen=True)
class Check:
    """One rule and one row."""

    rule: str
    wanted: str
    column: str
    value: object
    """What the row holds; for `measured` what is missing, None where all is there; for `clip` the share that meets the rules."""
    is_met: bool


@dataclass(frozen=True)
class ExplainedRow:
    """A row of the clip, every rule, and the verdict."""

    part_index: int | None
    track_index: int | None
    start_s: float | None
    end_s: float | None
    checks: tuple[Check, ...]
    dropped_by: str | None
    """As the manifest would say it; None: kept."""


def explain(manifest: Path, clip: str, rules: Rules) -> tuple[str, tuple[ExplainedRow, ...]]:
    """The clip_id, and what the rules say of each of its rows, in their order. `clip` is a clip_id, or the path of a video.

    Raises:
        UsageError: no manifest, no such clip (the nearest is named), or a condition that cannot be carried out.
    """
    clip_id = _found(manifest, clip)
    judge = Judge(rules)
    among = f"clip_id = {in_sql(clip_id)}"
    columns = list(dict.fromkeys((*PLACE_COLUMNS, "track_index", *judge.columns)))
    table = pa.Table.from_batches(selected(manifest, among, columns))
    if rules.where is not None:
        table = table.append_column(WHERE_COLUMN, pa.chunked_array(is_met(manifest, rules.where, among), pa.bool_()))
    block = Block(table.combine_chunks())
    judged = judge(block)
    missing, dropped_by = judge.not_measured(block).to_pylist(), judge.names(block, judged).to_pylist()
    share = None if judged.clip_shares is None else float(judged.clip_shares[0])
    explained = []
    for i, row in enumerate(block.table.to_pylist()):
        checks = [
            Check(rule.name, rule.wanted, rule.column, missing[i] if rule.name == MEASURED else row[rule.column], bool(met[i]))
            for rule, met in zip(judge.asked, judged.met, strict=True)
        ]
        if share is not None:
            checks.append(Check(CLIP, judge.steps[-1].wanted, "", share, share >= judge.least_share))
        places = (row["part_index"], row["track_index"], row["start_s"], row["end_s"])
        explained.append(ExplainedRow(*places, tuple(checks), dropped_by[i]))
    return clip_id, tuple(explained)


def _found(manifest: Path, clip: str) -> str:
    """The clip_id meant."""
    text = in_sql(clip)
    for condition in (f"clip_id = {text}", f"path = {text}"):
        rows = query(manifest, f"SELECT clip_id FROM manifest WHERE {condition} LIMIT 1")
        if rows:
            return str(rows[0][0])
    nearest = query(
        manifest,
        "SELECT clip_id FROM (SELECT DISTINCT clip_id FROM manifest) "
        f"ORDER BY NOT ends_with(clip_id, '/' || {text}), levenshtein(clip_id, {text}), clip_id LIMIT 1",
    )
    if not nearest:
        raise UsageError(f"{manifest} has no rows")
    raise UsageError(f"{manifest} has no clip {clip!r}; did you mean {nearest[0][0]!r}?")
