"""Sums for a page, made by hand: two datasets with one cell per row."""

from __future__ import annotations

import random
from itertools import pairwise

from syncqc.report.gathered import (
    Cells,
    Dataset,
    Density,
    FunnelStep,
    Gathered,
    Group,
    GroupTable,
    Histogram,
    OwnOffsets,
    Slider,
    Source,
)

SHARES = tuple(round(0.05 * i, 2) for i in range(21))
SLIDERS = (
    Slider("p", "--p", "probability at offset, at least", 1, SHARES, 18, False),
    Slider("offscreen", "--offscreen", "offscreen ratio, at most", -1, SHARES[::-1], 16, False),
    Slider("max_offset", "--max-offset", "offset, early or late, at most", -1, (15, 10, 5, 3, 2, 1, 0), None, True),
    Slider("min_speech", "--min-speech", "share of speech, at least", 1, SHARES, None, True),
)
ROW_S = 4.0


def made_gathered(names: tuple[str, ...] = ("good", "bad"), n_rows: int = 200, manifest: str = "m.parquet", **more: object) -> Gathered:
    """Of each dataset `n_rows` rows of 4 s, a clip each; in dataset d the share of low probabilities grows with d."""
    chance = random.Random(1)
    rows = [
        (d, min(1.0, chance.betavariate(9 - 3 * d % 9, 1)), chance.betavariate(1, 6 - 2 * d % 5), chance.choice([0, 0, 0, 1, -1, d, 4 * d]))
        for d in range(len(names))
        for _ in range(n_rows)
    ]
    values = [(p, -offscreen, -abs(offset), 0.5) for _, p, offscreen, offset in rows]
    levels = tuple(
        tuple(sum(slider.sign * limit <= row[s] for limit in slider.limits) for row in values) for s, slider in enumerate(SLIDERS)
    )
    ids = tuple(range(len(rows)))
    cells = Cells(SLIDERS, ("mpeg4", "vfr"), tuple(row[0] for row in rows), levels, tuple(i % 7 == 0 for i in ids), (1,) * len(ids),
                  (ROW_S,) * len(ids), tuple((i,) for i in ids), (1,) * len(ids), 1)  # fmt: skip
    every = range(len(names))

    def counted(column: int, edges: tuple[float, ...]) -> tuple[tuple[int, ...], ...]:
        bins = list(pairwise(edges))
        last = edges[-1]
        return tuple(
            tuple(sum(row[0] == d and (low <= row[column] < high or row[column] == high == last) for row in rows) for low, high in bins)
            for d in every
        )

    def joint(d: int) -> tuple[tuple[int, ...], ...]:
        found = [(int(20 * p), int(20 * offscreen)) for which, p, offscreen, _ in rows if which == d]
        return tuple(tuple(found.count((i, j)) for i in range(20)) for j in range(20))

    shares = tuple(i / 20 for i in range(21))
    offsets = tuple(i - 15.5 for i in range(32))
    none = (0,) * len(names)
    parts: dict[str, object] = {
        "sources": (Source(manifest, len(rows), len(rows), 4, ROW_S * len(rows), {"model": "a", "syncqc": "0.1.0"}),),
        "datasets": tuple(
            Dataset(name, manifest, n_rows + 3 * d, n_rows, n_rows, 2, ROW_S * n_rows, {"silent": 3 * d} if d else {})
            for d, name in enumerate(names)
        ),
        "histograms": {
            "offset_frames": Histogram("offset_frames", "offset", "images", offsets, counted(3, offsets), none),
            "probability_at_offset": Histogram("probability_at_offset", "probability at offset", "", shares, counted(1, shares), none),
            "offscreen_ratio": Histogram("offscreen_ratio", "offscreen ratio", "", shares, counted(2, shares), none),
        },
        "density": Density("probability_at_offset", "offscreen_ratio", shares, shares, tuple(joint(d) for d in every)),
        "cells": cells,
        "funnels": {manifest: (FunnelStep("all", "", len(rows), len(rows), ROW_S * len(rows)), FunnelStep("p", ">= 0.9", 60, 60, 240.0))},
        "tables": (GroupTable("speaker", "By speaker", {"n_rows": "rows", "hours": "time, h"}, (
            Group("anna", names[0], {"n_rows": 3, "hours": 0.5}), Group("ben", names[-1], {"n_rows": 20, "hours": None}),
            Group("cleo", names[0], {"n_rows": 10, "hours": 0.25})), 0),),
        "own_offsets": (OwnOffsets(names[0], ((0, 1, 30), (2, 3, 4), (-1, 5, 1)), 34, 35, 1.0),),
        "notes": (),
    }  # fmt: skip
    return Gathered(**(parts | more))  # type: ignore[arg-type]
