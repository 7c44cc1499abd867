"""Manifests of any rows, and random rows: several datasets, parts and faces, failures, nulls, values that lie exactly on thresholds."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from syncqc.manifest import store
from syncqc.manifest.blocks import Block
from syncqc.manifest.columns import schema
from syncqc.manifest.judge import Judge
from syncqc.manifest.rules import Rules as FilterRules
from syncqc.report.gather_rows import Rows

Row = dict[str, Any]
MADE_BY = {"syncqc": "0.1.0", "schema_version": 2, "settings": {"model": "ic-syncnet.small", "source": "/home/anna/secret/videos"}}
"""As a run's metadata is, with a path that must not be shown whole."""


def random_rows(n_clips: int = 150, seed: int = 1, datasets: tuple[str | None, ...] = ("alpha", "beta")) -> list[Row]:
    """Rows of one to four parts per clip, sorted by clip_id."""
    chance = random.Random(seed)
    return [row for number in range(n_clips) for row in _clip(chance, f"clip{number:05d}", chance.randrange(len(datasets)), datasets)]


def _clip(chance: random.Random, clip_id: str, which: int, datasets: tuple[str | None, ...]) -> list[Row]:
    n_parts, rows = chance.randint(1, 4), []
    codec = chance.choice(["h264", "h264", "mpeg4"])
    for part in range(n_parts):
        start_s, length_s = 5.0 * part, chance.choice([5.0, 4.2, 2.52])
        for track in range(chance.choice([1, 1, 2])):
            row: Row = {
                "clip_id": clip_id, "path": f"/videos/{clip_id}.mp4", "dataset": datasets[which],
                "speaker": f"speaker {int(clip_id[-1]) % 9}",
                "part_index": part, "n_parts": n_parts, "track_index": track, "start_s": start_s,
                "end_s": start_s + length_s, "n_images": round(25 * length_s),
                "is_chosen_track": track == 0, "video_codec": codec, "is_vfr": chance.choice([False, False, True, None]),
            }  # fmt: skip
            rows.append(row | ({"failure": "silent", "detail": "nothing"} if chance.random() < 0.08 else _numbers(chance, which)))
    return rows


def _numbers(chance: random.Random, which: int) -> Row:
    offset = chance.choice([0, 0, 0, 1, -1, 2, -3, 4 * which, 15])
    return {
        "offset_frames": offset, "offset_ms": 40.0 * offset, "is_offset_at_edge": abs(offset) == 15, "margin": 0.3,
        "probability_at_offset": chance.choice([0.9, 0.5, round(chance.betavariate(8 - 4 * which, 1), 3)]),
        "probability_in_sync": chance.random(), "offscreen_ratio": chance.choice([0.0, 0.2, round(chance.random() ** 3, 3)]),
        "speech_ratio": chance.choice([None, round(chance.random(), 2)]), "frozen_ratio": chance.choice([0.0, 0.1, chance.random()]),
        "face_width_px": chance.choice([None, 64.0, 200 * chance.random()]), "n_windows": 100, "clip_offset_frames": offset,
    }  # fmt: skip


def write_manifest(path: Path, rows: Sequence[Mapping[str, Any]], made_by: object = MADE_BY, rows_per_group: int | None = None) -> Path:
    """The rows as a manifest with that metadata."""
    of = schema().with_metadata({store.PROVENANCE_KEY: json.dumps(made_by).encode()})
    pq.write_table(store.table_of(rows).cast(of), path, row_group_size=rows_per_group)
    return path


def rows_of(rows: Sequence[Mapping[str, Any]], dataset: Sequence[int] | None = None) -> Rows:
    """The rows as one block, each of its dataset's number (0 where none is named), judged by the default rules."""
    judge, block = Judge(FilterRules()), Block(store.table_of(rows))
    return Rows(block, np.array(dataset or [0] * len(rows), np.int64), judge, judge(block))
