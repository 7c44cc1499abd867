"""The page about whole datasets: what was measured, which dataset is worse and why, and what any thresholds would keep.

Knows the sums (`gathered`) and the contact sheets; neither manifests nor videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import syncqc
from syncqc.clock import MS_PER_IMAGE
from syncqc.manifest.rules import ARTEFACTS, CHOSEN
from syncqc.manifest.select import Thresholds
from syncqc.report.dataset_page_commands import filter_of, mending, option_of, out_of, outs_of
from syncqc.report.dataset_page_standing import Standing, labels_of, meaning_of, standings
from syncqc.report.dataset_page_words import (
    UNKNOWN,
    bias_in_words,
    histogram_in_words,
    own_offsets_in_words,
    percent,
    quoted_name,
    verdict,
)
from syncqc.report.gathered import Gathered, Histogram
from syncqc.report.html import as_data, page
from syncqc.report.words import length_in_words

if TYPE_CHECKING:
    from syncqc.report.sheets import Sheet

SCRIPTS = ("report_count.js", "report_figures.js", "report_explorer.js", "report_tables.js")
STYLES = ("report.css", "sheets.css")
_FIRST = ("offset_frames", "probability_at_offset", "offscreen_ratio")
"""The paper's figure 4, in its order; what else there is comes after."""
_MANY_DENSITIES = 8
_SECONDS_PER_HOUR = 3600
_LEADING = ("scored", "finished", "model", "weights", "syncqc")
"""Of what a manifest was made by, what stands on top of the page."""
_WANTED = {CHOSEN: "the face of its part that was chosen"}
_SHOWN_HEADS = {"hours": "time", "kept_hours": "time kept by default"}
"""Columns of hours, which the page shows as lengths in words."""
_SWITCHES = {"no_edge": "Leave out rows whose best shift is the first or last one searched: the true one may lie beyond."}


def dataset_page(
    gathered: Gathered,
    title: str,
    places: Sequence[str],
    *,
    sheets: Sequence[Sheet] | None = None,
    no_faces: str | None = None,
    run_in: str = "",
    made_at: str = "",
) -> str:
    """The page as one text.

    `places` are the manifests as the commands of the page name them, one per source, and `run_in` says where these commands work;
    `sheets` None leaves the contact sheets out, and `no_faces` is why none of their cards shows a face.

    Source: IC-SyncNet, Fig. 4 (the histograms) and App. E (the corner that is kept).
    """
    labels, stands = labels_of(gathered), standings(gathered)
    histograms = _in_order(gathered.histograms)
    said = verdict(gathered, stands)
    has_rows = any(dataset.n_rows for dataset in gathered.datasets)
    outs = outs_of(places)
    return page(
        "report.html.j2",
        title,
        as_data(_data(gathered, labels, histograms, places, outs)),
        scripts=SCRIPTS if has_rows else (),
        styles=STYLES,
        lead=_lead(gathered),
        notes=gathered.notes,
        sections=_sections(gathered, sheets),
        verdict={
            "heading": said.heading,
            "standing": said.standing,
            "reasons": said.reasons,
            "cautions": said.cautions,
            "remedy": said.remedy,
            "commands": mending(gathered, said.mended, said.shifted, places, outs),
        },
        standings=sorted(stands, key=lambda stand: -(stand.kept_share or 0.0)),
        failures=_failures(gathered),
        labels=labels,
        cells=gathered.cells,
        artefacts=[(name, ARTEFACTS[name].meaning) for name in gathered.cells.artefacts],
        switches=[(option_of(name), _SWITCHES.get(name, name)) for name in gathered.cells.switches],
        funnels=gathered.funnels.items(),
        wanted=_WANTED,
        histograms=[histogram for histogram in histograms if not _is_of_clips(histogram)],
        clip_histograms=[histogram for histogram in histograms if _is_of_clips(histogram)],
        density_labels=labels[:_MANY_DENSITIES],
        says=_says(gathered, labels, stands, histograms),
        own_offsets=gathered.own_offsets,
        tables=gathered.tables,
        shown_heads=_SHOWN_HEADS,
        sheets=sheets,
        no_faces=no_faces,
        has_mouths=any(card.mouths for sheet in sheets or () for card in sheet.cards),
        has_rows=has_rows,
        sources=gathered.sources,
        corner=Thresholds(),
        ms_per_image=MS_PER_IMAGE,
        run_in=run_in,
        made_at=made_at,
        version=syncqc.__version__,
        percent=percent,
        length=length_in_words,
        cell=_cell,
    )


def _lead(gathered: Gathered) -> list[tuple[str, str]]:
    """Per manifest how much was scored, with what, and when."""
    found = []
    for source in gathered.sources:
        speakers = f", {source.n_speakers:,} speakers" if source.n_speakers else ""
        counts = f"{source.n_clips:,} clips in {source.n_rows:,} rows{speakers}, {length_in_words(source.length_s)} measured"
        made_by = [f"{label} {source.made_by[label]}" for label in _LEADING if label in source.made_by]
        found.append((source.manifest, "; ".join([counts, *made_by])))
    return found


def _sections(gathered: Gathered, sheets: Sequence[Sheet] | None) -> list[tuple[str, str]]:
    if not any(dataset.n_rows for dataset in gathered.datasets):
        return [("summary", "Summary"), ("provenance", "Where it comes from")]
    sections = {
        "summary": "Summary",
        "explorer": "Thresholds",
        "funnel": "Rules",
        "distributions": "Distributions",
        "offsets": "Early or late",
        "tables": "Tables" if gathered.tables else None,
        "limits": "What it does not tell",
        "clips": None if sheets is None else "Clips",
        "provenance": "Where it comes from",
    }
    return [(anchor, name) for anchor, name in sections.items() if name is not None]


def _failures(gathered: Gathered) -> list[dict[str, Any]]:
    """Per reason, the most frequent first, how many rows of each dataset."""
    sums: dict[str, int] = {}
    for dataset in gathered.datasets:
        for reason, n_rows in dataset.failures.items():
            sums[reason] = sums.get(reason, 0) + n_rows
    return [
        {"reason": reason, "meaning": meaning_of(reason), "n_rows": [dataset.failures.get(reason, 0) for dataset in gathered.datasets]}
        for reason in sorted(sums, key=lambda reason: -sums[reason])
    ]


def _in_order(histograms: Mapping[str, Histogram]) -> list[Histogram]:
    first = [histograms[name] for name in _FIRST if name in histograms]
    return first + [histogram for name, histogram in histograms.items() if name not in _FIRST]


def _says(gathered: Gathered, labels: Sequence[str], stands: Sequence[Standing], histograms: Sequence[Histogram]) -> dict[str, Any]:
    """Per figure one sentence that stands for it."""
    by_name = {histogram.name: histogram for histogram in histograms}
    return {
        "histograms": {name: histogram_in_words(histogram, labels) for name, histogram in by_name.items()},
        "densities": [f"{percent(stand.kept_share)} of its time is kept by the default filter." for stand in stands],
        "bias": bias_in_words(by_name.get("offset_frames"), labels),
        "funnel": " ".join(
            f"Of {quoted_name(name)} {length_in_words(steps[-1].length_s)} of {length_in_words(steps[0].length_s)} is left."
            for name, steps in gathered.funnels.items()
            if steps
        ),
        "own_offsets": [own_offsets_in_words(own) for own in gathered.own_offsets],
    }


def _is_of_clips(histogram: Histogram) -> bool:
    return histogram.name.startswith("clip_")


def _data(
    gathered: Gathered, labels: Sequence[str], histograms: Sequence[Histogram], places: Sequence[str], outs: Sequence[str]
) -> dict[str, Any]:
    """What the scripts work with."""
    return {
        "datasets": [
            {"label": label, "name": dataset.name, "rows": dataset.n_rows, "clips": dataset.n_clips, "length_s": dataset.length_s}
            for label, dataset in zip(labels, gathered.datasets, strict=True)
        ],
        "all": {
            "rows": sum(dataset.n_rows for dataset in gathered.datasets),
            "clips": sum(source.n_clips for source in gathered.sources),
            "length_s": sum(source.length_s for source in gathered.sources),
        },
        "sources": [{"filter": filter_of(place), "out": out_of(out)} for place, out in zip(places, outs, strict=True)],
        "histograms": histograms,
        "density": gathered.density,
        "corner": Thresholds(),
        "cells": gathered.cells,
        "funnels": gathered.funnels,
        "own_offsets": gathered.own_offsets,
    }


def _cell(key: str, value: float | None) -> str:
    """A number of a table: shares in percent, whole ones with separators, others with three significant digits."""
    if value is None:
        return UNKNOWN
    if key.endswith("_share"):
        return percent(value)
    if key in ("hours", "kept_hours"):
        return length_in_words(value * _SECONDS_PER_HOUR)
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"
