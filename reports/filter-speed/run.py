"""Time and memory of `syncqc filter` on a manifest of ten million rows, beside plain copies of the same file. Prints the report.

Linux only (it reads /proc). The copies are made right before and right after the filter that writes.

    python reports/filter-speed/run.py WORK > reports/filter-speed/README.md
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from syncqc.manifest import store
from syncqc.manifest.columns import schema

N_ROWS = 10_000_000
N_SMALL = 1_000_000
BLOCK = 100_000
N_PARTS = 2
ROWS_PER_CLIP = 3
CLIPS_PER_SPEAKER = 180
CURVES = 1_000

PYARROW_COPY = """
import sys, pyarrow.parquet as pq
file = pq.ParquetFile(sys.argv[1])
with pq.ParquetWriter(sys.argv[2], file.schema_arrow, compression="zstd") as writer:
    for start in range(0, file.num_row_groups, 6):
        writer.write_table(file.read_row_groups(range(start, min(start + 6, file.num_row_groups))), row_group_size=10_000)
"""
DUCKDB_COPY = """
import sys, duckdb
duckdb.sql(f"COPY (SELECT * FROM '{sys.argv[1]}') TO '{sys.argv[2]}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 10000)")
"""


def main(work: Path) -> None:
    """Prints the report."""
    work.mkdir(parents=True, exist_ok=True)
    source, out, drops, clips = work / "big.parquet", work / "clean.parquet", work / "drops.parquet", work / "clips.txt"
    small = work / "small.parquet"
    for path, n_rows in ((source, N_ROWS), (small, N_SMALL)):
        if not path.exists():
            draw(path, n_rows)
    load = 0.0
    of_it = pq.ParquetFile(source).metadata
    ours = [sys.executable, "-m", "syncqc", "filter", str(source)]
    where = ["--where", "speech_ratio > 0.3 and dataset = 'voxceleb2'"]
    writing = [*ours, "--out", str(out), "--force"]
    runs = {
        "a million rows, `--dry-run`": [*ours[:-1], str(small), "--dry-run"],
        "a million rows, `--out clean.parquet`": [*ours[:-1], str(small), "--out", str(out), "--force"],
        "`--dry-run`": [*ours, "--dry-run"],
        "`--dry-run`, seven rules and `--where`": [
            *ours, "--dry-run", "--max-offset", "5", "--no-edge", "--min-speech", "0.2", "--artefacts", "vfr", *where,
        ],
        "`--dry-run --per clip`": [*ours, "--dry-run", "--per", "clip"],
        "copy, DuckDB": [sys.executable, "-c", DUCKDB_COPY, str(source), str(out)],
        "copy, pyarrow, row group by row group": [sys.executable, "-c", PYARROW_COPY, str(source), str(out)],
        "`--out clean.parquet`": writing,
        "copy, pyarrow, again": [sys.executable, "-c", PYARROW_COPY, str(source), str(out)],
        "`--out clean.parquet --per clip`": [*writing, "--per", "clip"],
        "`--out clean.parquet --drops drops.parquet --list clips.txt`": [*writing, "--drops", str(drops), "--list", str(clips)],
        "`--explain CLIP`": [*ours, "--explain", "dev/mp4/id04000/video-0720007/00007"],
    }  # fmt: skip
    lines = []
    for name, command in runs.items():
        wall_s, cpu_s, peak_mb = watched(command)
        print(name, wall_s, cpu_s, peak_mb, file=sys.stderr, flush=True)
        load += os.getloadavg()[0] / len(runs)
        lines.append(f"| {name} | {cpu_s:.1f} s | {wall_s:.1f} s | {peak_mb:.0f} MB |")
    n_kept = pq.ParquetFile(out).metadata.num_rows
    print("# Filtering ten million rows\n\nMade by `python reports/filter-speed/run.py WORK`.\n")
    print("| what | processor | wall | peak memory |\n|---|---|---|---|")
    print("\n".join(lines))
    print(
        f"\nThe manifest: {of_it.num_rows:,} rows in {of_it.num_row_groups:,} row groups, {source.stat().st_size / 1e9:.2f} GB, all "
        f"{of_it.num_columns} columns of the schema, {N_ROWS // ROWS_PER_CLIP:,} clips, {N_ROWS // ROWS_PER_CLIP // CLIPS_PER_SPEAKER:,} "
        f"speakers. Numbers are random; the `similarity` of a row (31 numbers) is one of {CURVES:,} curves, so this column packs better "
        f"than a measured one. The filter that writes keeps {n_kept:,} rows.\n\n"
        f"{os.cpu_count()} processor cores, shared with other jobs: on the average {load:.0f} processes wanted one, so that the wall "
        "time says less than the processor time."
    )


def draw(path: Path, n_rows: int) -> None:
    """A manifest with so many rows: clips of two parts, the first with two tracks, sorted by clip_id."""
    draw_from = np.random.default_rng(0)
    curves = draw_from.random((CURVES, 31), np.float32)
    of = schema().with_metadata({store.PROVENANCE_KEY: b'{"schema_version": 2, "settings": {}, "syncqc": "drawn"}'})
    with pq.ParquetWriter(path, of, compression="zstd") as writer:
        for start in range(0, n_rows, BLOCK):
            rows = np.arange(start, min(start + BLOCK, n_rows))
            writer.write_table(drawn(rows, curves, draw_from).cast(of), row_group_size=store.ROWS_PER_GROUP)


def drawn(rows: np.ndarray, curves: np.ndarray, draw_from: np.random.Generator) -> pa.Table:
    """Rows of the manifest by their numbers."""
    n = len(rows)
    clips, at = rows // ROWS_PER_CLIP, rows % ROWS_PER_CLIP
    is_failed = draw_from.random(n) < 0.02
    is_missing = pa.array(is_failed)

    def number(values: np.ndarray, of: pa.DataType = pa.float32()) -> pa.Array:
        return pa.array(values, of, mask=is_failed)

    def text(names: list[str | None]) -> pa.Array:
        return pa.array(names, pa.string())

    speakers = [f"id{clip // CLIPS_PER_SPEAKER:05d}" for clip in clips]
    names = [f"dev/mp4/{who}/video-{clip:07d}/{clip % 100:05d}" for who, clip in zip(speakers, clips, strict=True)]
    picked = curves[draw_from.integers(0, CURVES, n)]
    onscreen = pa.StructArray.from_arrays([pa.array(np.zeros(n)), pa.array(draw_from.random(n) * 4)], names=["start_s", "end_s"])
    columns = {
        "clip_id": text(names),
        "path": text([f"/data/voxceleb2/{name}.mp4" for name in names]),
        "dataset": text(["voxceleb2"] * n), "split": text(["dev"] * n), "speaker": text(speakers),
        "part_index": pa.array((at == 2).astype(np.int32)), "n_parts": pa.array(np.full(n, N_PARTS, np.int32)),
        "track_index": pa.array((at == 1).astype(np.int32)),
        "start_s": pa.array(np.where(at == 2, 4.0, 0.0)), "end_s": pa.array(np.where(at == 2, 8.0, 4.0)),
        "n_images": pa.array(np.full(n, 100, np.int32)), "is_chosen_track": pa.array(at != 1, mask=is_failed),
        "container_format": text(["mov,mp4,m4a,3gp,3g2,mj2"] * n), "video_codec": text(["h264"] * n), "audio_codec": text(["aac"] * n),
        "width_px": pa.array(np.full(n, 224, np.int32)), "height_px": pa.array(np.full(n, 224, np.int32)),
        "source_fps": pa.array(np.full(n, 25, np.float32)), "is_vfr": pa.array(draw_from.random(n) < 0.01),
        "duration_s": pa.array(8 + draw_from.random(n)), "audio_duration_s": pa.array(8 + draw_from.random(n)),
        "face_share": number(draw_from.random(n)), "face_width_px": number(draw_from.random(n) * 200),
        "offset_frames": number(draw_from.integers(-15, 16, n), pa.int32()), "offset_ms": number(draw_from.random(n) * 600),
        "is_offset_at_edge": pa.array(draw_from.random(n) < 0.05, mask=is_failed), "margin": number(draw_from.random(n)),
        "probability_at_offset": number(1 - draw_from.random(n) ** 3), "probability_in_sync": number(draw_from.random(n)),
        "offscreen_ratio": number(draw_from.random(n) ** 4),
        "onscreen": pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32)), onscreen),
        "similarity": pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32) * 31), pa.array(picked.reshape(-1))),
        "n_windows": number(np.full(n, 96), pa.int32()), "clip_offset_frames": number(draw_from.integers(-15, 16, n), pa.int32()),
        "clip_probability_in_sync": number(draw_from.random(n)), "is_offset_drifting": pa.array(draw_from.random(n) < 0.05),
        "speech_ratio": number(draw_from.random(n)), "frozen_ratio": number(draw_from.random(n) ** 6),
        "failure": text(["no_face" if failed else None for failed in is_missing.to_pylist()]),
    }  # fmt: skip
    of = schema()
    return pa.Table.from_arrays([columns.get(f.name, pa.nulls(n, f.type)).cast(f.type) for f in of], schema=of)


def watched(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, seconds of all processors together, and the largest resident memory in MB, of a command that must succeed."""
    began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    peak_mb = 0.0
    with subprocess.Popen(command, stdout=sys.stderr) as process:
        while process.poll() is None:
            try:
                status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if ":" in line)
                peak_mb = max(peak_mb, int(status["VmHWM"].split()[0]) * 1024 / 1e6)
            except (OSError, KeyError):
                pass
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - began, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime, peak_mb


if __name__ == "__main__":
    main(Path(sys.argv[1]))
