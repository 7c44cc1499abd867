"""What a loader's index of many rows costs: time to read it, memory, size on its way to a worker.

    python reports/loader-speed/many_rows.py FOLDER [N_ROWS]

Writes a manifest of made-up rows, five parts per clip, named as VoxCeleb2's files, into the folder.
"""

from __future__ import annotations

import pickle
import resource
import sys
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from syncqc.loaders.index import SegmentIndex
from syncqc.loaders.settings import LoaderSettings
from syncqc.manifest.store import PROVENANCE_KEY

ROWS = """
    SELECT 'dev/mp4/id' || lpad((i // 300)::VARCHAR, 5, '0') || '/abcdefghijk/' || lpad((i // 5 % 60)::VARCHAR, 5, '0') AS clip_id,
           '/data/voxceleb2/' || clip_id || '.mp4' AS path, (i % 5)::INT AS part_index, 0::INT AS track_index,
           (i % 5) * 5.0::DOUBLE AS start_s, 125::INT AS n_images, true AS is_chosen_track, 0::INT AS offset_frames,
           (i % 7)::INT AS clip_offset_frames
    FROM range({n}) t(i)
"""


def write(path: Path, n_rows: int) -> None:
    """The manifest is there."""
    batches = duckdb.sql(ROWS.format(n=n_rows)).to_arrow_reader(10_000)
    of = batches.schema.with_metadata({PROVENANCE_KEY: b"{}"})
    with pq.ParquetWriter(path, of, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=of))


def main(folder: Path, n_rows: int) -> None:
    """Prints one line."""
    path = folder / f"rows-{n_rows}.parquet"
    if not path.exists():
        write(path, n_rows)
    began = time.process_time()
    index = SegmentIndex(path, None, LoaderSettings())
    took_s = time.process_time() - began
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    began = time.perf_counter()
    for i in range(1000):
        index[i * len(index) // 1000]
    row_us = (time.perf_counter() - began) * 1000
    mb = len(pickle.dumps(index)) / 1e6
    print(f"{len(index)} rows: read in {took_s:.1f} s on cores, peak {peak_gb:.1f} GB, {mb:.0f} MB to a worker, {row_us:.0f} us per row asked for")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10_000_000)
