"""What the report page shows of manifests: plain sums and histograms, however many rows there were.

Knows no file and no drawing. Every list named after an axis is as long as that axis; what was not measured is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One manifest: what was scored, with what and when."""

    manifest: str
    """Its name."""
    n_rows: int
    n_clips: int
    n_speakers: int
    length_s: float
    """Time that rows of chosen tracks cover."""
    made_by: Mapping[str, str]
    """Versions, model, weights, settings, filters, time: in the order in which they are shown, label to text."""


@dataclass(frozen=True)
class Dataset:
    """One group of rows that has its colour: a dataset, of one manifest where several hold it."""

    name: str
    manifest: str
    n_rows: int
    n_measured: int
    """Rows with sync numbers that are their part's chosen track."""
    n_clips: int
    n_speakers: int
    length_s: float
    failures: Mapping[str, int]
    """Rows without numbers by reason, the most frequent first."""


@dataclass(frozen=True)
class Histogram:
    """How often a column's value lies in each bin, per dataset; measured rows of chosen tracks."""

    name: str
    title: str
    unit: str
    edges: tuple[float, ...]
    """One more than bins; the last bin holds its upper edge too."""
    counts: tuple[tuple[int, ...], ...]
    """Per dataset, per bin."""
    n_null: tuple[int, ...]
    """Per dataset: rows in which it was not measured."""


@dataclass(frozen=True)
class Density:
    """How many measured rows of chosen tracks lie in each cell of two columns, per dataset."""

    x_name: str
    y_name: str
    x_edges: tuple[float, ...]
    y_edges: tuple[float, ...]
    counts: tuple[tuple[tuple[int, ...], ...], ...]
    """Per dataset, per bin of y, per bin of x."""


@dataclass(frozen=True)
class Slider:
    """One threshold that the page can move: the values that it can take, exactly those of `syncqc filter`'s option."""

    name: str
    """The field of `manifest.rules.Rules`."""
    option: str
    title: str
    sign: int
    """1: at least, -1: at most."""
    limits: tuple[float, ...]
    """From the loosest to the strictest."""
    default: int | None
    """Place in `limits`; None: not asked."""
    can_be_off: bool


@dataclass(frozen=True)
class Cells:
    """Rows that no setting of the sliders tells apart, counted together, so that any setting gives the numbers of `syncqc filter`.

    ``levels[s][c]`` is how many of slider s's limits, from the loosest on, the rows of cell c meet: at limit number k they stay where
    that is above k; where the slider is off they stay. ``artefacts[c]`` has bit b where the rows do not meet the rule against
    artefact b (they have it, or it was not looked for).
    """

    sliders: tuple[Slider, ...]
    artefacts: tuple[str, ...]
    dataset: tuple[int, ...]
    """Per cell, which of the datasets."""
    levels: tuple[tuple[int, ...], ...]
    artefact_bits: tuple[int, ...]
    n_rows: tuple[int, ...]
    length_s: tuple[float, ...]
    clips: tuple[tuple[int, ...], ...]
    """Per kind of clip the cells that rows of it lie in, none that another of them makes needless."""
    n_clips: tuple[int, ...]
    """Per kind, how many clips of the sample are of it."""
    clip_sample: int
    """Of so many clips one was looked at for `clips`: 1 means that counts of clips are exact."""
    switches: tuple[str, ...] = ()
    """Fields of `Rules` that are on or off; their bits in ``artefact_bits`` follow those of the artefacts."""
    shared: tuple[tuple[int, ...], ...] = ()
    """Time that rows of several cells cover together, where a part has more than one chosen track: those cells, as in ``clips``."""
    shared_s: tuple[float, ...] = ()
    """How much time; it stays where one of the cells stays, and is not in ``length_s``."""


@dataclass(frozen=True)
class Group:
    """One line of a table: a speaker, a dataset's split, a codec."""

    name: str
    dataset: str
    numbers: Mapping[str, float | None]


@dataclass(frozen=True)
class GroupTable:
    """Lines that can be sorted by any number. Where there are many, those with the most time."""

    name: str
    title: str
    heads: Mapping[str, str]
    """Key of `Group.numbers` to head, with its unit."""
    groups: tuple[Group, ...]
    n_left_out: int


@dataclass(frozen=True)
class OwnOffsets:
    """Offsets that a dataset ships against ours, clip by clip."""

    dataset: str
    pairs: tuple[tuple[int, int, int], ...]
    """(dataset's, ours, number of clips)."""
    n_agreeing: int
    """Clips that differ by at most one image after `bias_frames` is taken off."""
    n_clips: int
    bias_frames: float
    """Median of ours minus theirs."""


@dataclass(frozen=True)
class FunnelStep:
    """One rule of the default filter, and what it leaves."""

    rule: str
    wanted: str
    n_rows: int
    n_clips: int
    length_s: float


@dataclass(frozen=True)
class Gathered:
    """Everything that the page shows but the pictures of its contact sheets."""

    sources: tuple[Source, ...]
    datasets: tuple[Dataset, ...]
    histograms: Mapping[str, Histogram]
    """By name: ``offset_frames`` (one bin per image), ``probability_at_offset``, ``offscreen_ratio``, ``probability_in_sync``,
    ``speech_ratio``, ``frozen_ratio``; and ``clip_offset_frames``, which counts clips."""
    density: Density
    cells: Cells
    funnels: Mapping[str, tuple[FunnelStep, ...]]
    """Manifest to what `syncqc filter` with its defaults leaves step by step; the first step is everything."""
    tables: tuple[GroupTable, ...]
    """``splits``, ``speakers``, ``codecs``, and ``offsets``: of clips, by dataset."""
    own_offsets: tuple[OwnOffsets, ...]
    notes: tuple[str, ...]
    """What a reader must know of these manifests: filtered ones, several models, no artefacts looked for, rows without a chosen track."""
