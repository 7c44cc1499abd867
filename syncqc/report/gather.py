"""`gather`: everything that the report page shows of manifests, summed in one pass over their rows.

Knows manifests and sums; nothing of pages. In memory are the groups of the tables and the cells of the sliders, never the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from syncqc.errors import UsageError
from syncqc.manifest import store
from syncqc.manifest.blocks import whole_clips
from syncqc.manifest.funnel import Funnel, Tally
from syncqc.manifest.judge import Judge
from syncqc.manifest.rules import Rules
from syncqc.report import gather_notes, tables, tables_offsets
from syncqc.report.cells import CellSums
from syncqc.report.cells_limits import ASKED
from syncqc.report.gather_groups import DatasetGroups, dataset_groups, short_names
from syncqc.report.gather_histograms import SHARES, HistogramSums
from syncqc.report.gather_notes import ManifestNotes, notes
from syncqc.report.gather_rows import Rows, value_counts
from syncqc.report.gather_sources import known_of, made_by
from syncqc.report.gathered import Dataset, FunnelStep, Gathered, Source
from syncqc.report.sums import Members, Totals
from syncqc.report.tables import TableSums
from syncqc.report.tables_offsets import OwnOffsetSums, offsets_table


def gather(manifests: Sequence[Path]) -> Gathered:
    """Everything that the page shows of these manifests, together and of each dataset.

    Raises:
        UsageError: no manifest, one that is named twice, missing, none, unfinished or not sorted by clip_id.
    """
    if not manifests:
        raise UsageError("no manifest is named")
    names = short_names(manifests)
    known = [known_of(manifest) for manifest in manifests]
    for manifest in manifests:
        store.refuse_unfinished(manifest)
    sums = _Sums(dataset_groups(manifests))
    sources, funnels, remarks = [], {}, []
    for number, (manifest, name) in enumerate(zip(manifests, names, strict=True)):
        remark = ManifestNotes(name, known[number])
        funnel, chosen_s = sums.add(number, manifest, remark)
        found = funnel.source
        sources.append(Source(name, found.n_rows, found.n_clips, found.n_speakers, chosen_s, made_by(manifest, known[number])))
        funnels[name] = _steps(funnel)
        remarks.append(remark)
    return sums.gathered(tuple(sources), funnels, remarks)


class _Sums:
    """All sums over all manifests."""

    def __init__(self, groups: DatasetGroups) -> None:
        self.groups = groups
        self.histograms = HistogramSums(len(groups.names))
        self.cells, self.tables, self.own_offsets = CellSums(), TableSums(), OwnOffsetSums()
        self.of_datasets = Totals()
        self.failures: dict[int, Counter[str]] = {}

    def add(self, number: int, manifest: Path, remark: ManifestNotes) -> tuple[Funnel, float]:
        """Takes in a manifest; gives what the default filter makes of it, and how long its chosen tracks are."""
        judge = Judge(Rules())
        tally, chosen_s = Tally(judge), 0.0
        for block in whole_clips(manifest, _columns(judge)):
            judged = judge(block)
            tally.add(block, judged)
            rows = Rows(block, self.groups.of_rows(number, block), judge, judged)
            for sums in (self.histograms, self.cells, self.tables, self.own_offsets, remark):
                sums.add(rows)
            self._add_to_datasets(rows)
            chosen_s += float(rows.time_s.sum())
        return tally.funnel(), chosen_s

    def gathered(
        self, sources: tuple[Source, ...], funnels: Mapping[str, tuple[FunnelStep, ...]], remarks: Sequence[ManifestNotes]
    ) -> Gathered:
        """What was summed."""
        names, cells = self.groups.names, self.cells.cells()
        of_clips = offsets_table(self.histograms.offsets["clip_offset_frames"], names)
        n_far = self.histograms.n_far("offset_frames")
        return Gathered(
            sources,
            self._datasets(),
            self.histograms.histograms(),
            self.histograms.density(),
            cells,
            funnels,
            (*self.tables.tables(names), of_clips),
            self.own_offsets.own_offsets(names),
            notes(remarks, self.groups, cells, n_far),
        )

    def _add_to_datasets(self, rows: Rows) -> None:
        members = Members(np.arange(len(self.groups.names)), rows.dataset)
        self.of_datasets.add(members, {"n_rows": None, "n_measured": rows.is_measured, "time_s": rows.time_s})
        self.of_datasets.add_sums("n_clips", *rows.clips_in(rows.dataset))
        if rows.is_failed.any():
            reasons = rows.block.column("failure")
            for place in np.unique(rows.dataset[rows.is_failed]).tolist():
                of_it = reasons.filter(rows.is_failed & (rows.dataset == place))
                self.failures.setdefault(place, Counter()).update(dict(value_counts(of_it)))

    def _datasets(self) -> tuple[Dataset, ...]:
        names = self.groups.names
        n_rows, n_measured, n_clips, time_s = (
            self.of_datasets.of(name, len(names)).tolist() for name in ("n_rows", "n_measured", "n_clips", "time_s")
        )
        n_speakers = self.tables.n_speakers(len(names))
        return tuple(
            Dataset(
                name,
                self.groups.manifests[place],
                int(n_rows[place]),
                int(n_measured[place]),
                int(n_clips[place]),
                n_speakers[place],
                time_s[place],
                dict(self.failures.get(place, Counter()).most_common()),
            )
            for place, name in enumerate(names)
        )


def _columns(judge: Judge) -> list[str]:
    asked = (rule.column for rule in ASKED.values())
    return list(dict.fromkeys((*judge.columns, *asked, *SHARES, *tables.COLUMNS, *tables_offsets.COLUMNS, *gather_notes.COLUMNS)))


def _steps(funnel: Funnel) -> tuple[FunnelStep, ...]:
    steps = [("all", "", funnel.source), *((step.rule, step.wanted, step.leaves) for step in funnel.steps)]
    return tuple(FunnelStep(rule, wanted, left.n_rows, left.n_clips, left.length_s) for rule, wanted, left in steps)
