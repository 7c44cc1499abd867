"""What a reader must know of the manifests before the figures mean anything, in sentences.

Knows rows and metadata; no figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.compute as pc

from syncqc.report.cells_limits import BITS, COARSENED_FIRST, THRESHOLDS, Ladder
from syncqc.report.gather_groups import DatasetGroups
from syncqc.report.gather_histograms import MOST_SHOWN_FRAMES
from syncqc.report.gather_rows import Rows, crowded
from syncqc.report.gather_sources import filters_of, said_of_repair, settings_of
from syncqc.report.gathered import Cells

COLUMNS = ("dropped_by", "resync_status")
_MOST_NAMED = 6
_MATTERING = ("score.", "listen.", "read_clip.", "find_faces.", "pool_clip.", "judge_ghosts.", "sound_traces.")
_HARMLESS = ("score.keep_similarity", "read_clip.n_threads")


class ManifestNotes:
    """What there is to say of one manifest's rows."""

    def __init__(self, name: str, known: Mapping[str, Any]) -> None:
        self.name, self.known = name, known
        self._n_rows = self._n_scored = 0
        self._n_parts: Counter[str] = Counter()
        self._n_there: Counter[str] = Counter()
        self._n_dropped = 0
        self._options = {rule.column: rule for rule in (*(Ladder.of(one).rule for one in THRESHOLDS), *BITS)}

    def add(self, rows: Rows) -> None:
        """Takes in the rows of a block."""
        self._n_rows += len(rows.dataset)
        self._n_scored += int(rows.is_scored.sum())
        scored = rows.is_scored
        for column in self._options:
            self._n_there[column] += int(pc.is_valid(rows.block.column(column)).to_numpy(zero_copy_only=False)[scored].sum())
        starts = rows.block.part_starts
        has_chosen = np.logical_or.reduceat(rows.flags("is_chosen_track"), starts)
        has_numbers = np.logical_or.reduceat(~rows.is_failed, starts)
        self._n_parts["unchosen"] += int((has_numbers & ~has_chosen).sum())
        self._n_parts["crowded"] += len(np.unique(crowded(rows.block, scored)[1]))
        self._n_dropped += len(rows.dataset) - rows.block.column("dropped_by").null_count

    def sentences(self) -> list[str]:
        """One sentence per finding."""
        if not self._n_rows:
            return [f"{self.name} has no rows."]
        said = [*self._of_metadata(), *self._of_columns()]
        if self._n_parts["unchosen"]:
            said.append(
                f"{self.name}: parts in which no track is chosen: {self._n_parts['unchosen']:,}; the filter keeps none of their rows."
            )
        if self._n_parts["crowded"]:
            said.append(
                f"{self.name}: parts with more than one chosen track: {self._n_parts['crowded']:,}; what two of them cover counts once."
            )
        if self._n_dropped:
            said.append(f"{self.name}: rows that an earlier filter dropped: {self._n_dropped:,}.")
        return said

    def _of_metadata(self) -> list[str]:
        said = []
        if filters_of(self.known):
            said.append(f"{self.name} holds only what `syncqc filter` left: it does not show the dataset as it was.")
        if "resync" in self.known:
            said.append(said_of_repair(self.name))
        return said

    def _of_columns(self) -> list[str]:
        if not self._n_scored:
            return [f"{self.name}: no row was measured, so that the filter keeps none."]
        missing = [column for column in self._options if not self._n_there[column]]
        if not missing:
            return []
        options = dict.fromkeys(self._spelled(column) for column in missing)
        return [f"{self.name}: {_listed(missing)} never measured; with {_listed(list(options), 'or')} the filter keeps nothing."]

    def _spelled(self, column: str) -> str:
        rule = self._options[column]
        return f"--artefacts {rule.name.split(': ')[1]}" if ": " in rule.name else rule.option


def notes(of_manifests: Sequence[ManifestNotes], groups: DatasetGroups, cells: Cells, n_far: int) -> tuple[str, ...]:
    """All there is to say, of several manifests together first."""
    said = _models(of_manifests)
    for manifest in of_manifests:
        said += manifest.sentences()
    for manifest, n_rows in zip(of_manifests, groups.n_unnamed, strict=True):
        if n_rows:
            said.append(f"{manifest.name}: rows that name no dataset: {n_rows:,}; they stand under the manifest's name.")
    if groups.together:
        said.append(f"{len(groups.together)} datasets stand together as {groups.names[-1]!r}: {_listed(list(groups.together))}.")
    if n_far:
        said.append(f"Offsets beyond {MOST_SHOWN_FRAMES} images, which are in no histogram: {n_far:,}.")
    if cells.clip_sample > 1:
        said.append(
            f"The threshold explorer estimates numbers of clips from one clip in {cells.clip_sample}; its rows and hours are exact."
        )
    gone = sorted({*COARSENED_FIRST} - {slider.name for slider in cells.sliders})
    if gone:
        said.append(f"There are too many different rows for sliders of {_listed(gone)}.")
    return tuple(said)


def _models(of_manifests: Sequence[ManifestNotes]) -> list[str]:
    """Whether the manifests were scored by one model with one set of settings."""
    settings = {manifest.name: settings_of(manifest.known) for manifest in of_manifests}
    models = {
        name: (str(of_it.get("model", of_it.get("score.model"))), str(of_it.get("weights_sha256"))) for name, of_it in settings.items()
    }
    if len(set(models.values())) > 1:
        named = [f"{name} by {model} (weights {weights[:12]})" for name, (model, weights) in models.items()]
        return [f"The manifests were scored by different models, so that their numbers do not compare: {_listed(named)}."]
    of_rows = sorted({key for of_it in settings.values() for key in of_it if key.startswith(_MATTERING) and key not in _HARMLESS})
    differing = [key for key in of_rows if len({str(of_it.get(key)) for of_it in settings.values()}) > 1]
    return [f"The manifests were scored with different settings: {_listed(differing)}."] if differing else []


def _listed(names: Sequence[str], word: str = "and") -> str:
    if len(names) > _MOST_NAMED:
        names = [*names[: _MOST_NAMED - 1], f"{len(names) - _MOST_NAMED + 1} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"
