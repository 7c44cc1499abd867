"""`compare`: what changed between two manifests of the same clips, in one pass over both, in constant memory.

Knows files, rules and sums; nothing of how they are shown. Both manifests are sorted by clip_id, so that they are read side by side.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from syncqc.manifest.aside import written_aside
from syncqc.manifest.judge import Judge
from syncqc.manifest.rules import Rules
from syncqc.report.compare_csv import ChangesFile
from syncqc.report.compare_pairs import pieces
from syncqc.report.compare_side import Names, sides
from syncqc.report.compare_sums import Sums
from syncqc.report.compared import Comparison

NO_OPTIONS = Rules()


def compare(old: Path, new: Path, rules: Rules = NO_OPTIONS, *, changes: Path | None = None) -> Comparison:
    """What changed from OLD to NEW, and what the rules keep of each.

    Rows are those of chosen tracks, one per part; a part without one stands for why. `changes` is a CSV file with every row in which
    anything that is compared differs; an older file there is replaced.

    Raises:
        UsageError: no manifest, one that is not sorted by clip_id, or a condition that cannot be carried out.
    """
    judge = Judge(rules)
    datasets, reasons = Names(), Names()
    sums = Sums(judge, reasons, datasets)
    with ExitStack() as files:
        out = None
        if changes is not None:
            out = files.enter_context(ChangesFile(files.enter_context(written_aside(changes))))
        for pairs in pieces(*(sides(path, judge, datasets, reasons) for path in (old, new))):
            rows = sums.add(pairs)
            if out is not None:
                out.add(rows)
    return sums.comparison()
