"""AVSpeech, from its clips and its csv to clips in sync: score, filter, put right.

    python pipelines/avspeech.py /data/avspeech/clips /data/avspeech-clean --segments /data/avspeech/avspeech_train.csv
    syncqc run avspeech /data/avspeech/clips /data/avspeech-clean --segments /data/avspeech/avspeech_train.csv

The csv says where in the picture the speaker of each segment is; where several faces are seen, that one is judged. Clips in the wild
come with cuts, dubbing and several speakers, so only the parts of a clip that meet the thresholds stay in the manifest, and a clip whose
parts disagree about the offset is left alone. Stopped anywhere, the same command goes on. OUT holds what the recipe of VoxCeleb2 makes
too: ``1-scored.parquet``, ``2-kept.parquet``, ``2-dropped.parquet``, ``3-in-sync/``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from syncqc.cli.options import EngineOption, RayAddressOption, WorkersOption
from syncqc.cli.recipes import engine_arguments, run_recipe, syncqc

P = 0.9
OFFSCREEN = 0.2
"""Both as IC-SyncNet filters AVSpeech (App. E)."""
MAX_UNREADABLE = 0.1


def avspeech(
    source: Annotated[Path, typer.Argument(help="The folder of the clips, <ytid>_<start>-<end>.mp4.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="A folder for everything that is made.", show_default=False)],
    segments: Annotated[
        Path | None, typer.Option(help="The set's csv: ytid,start,end,x,y.", show_default="looked for beside the clips")
    ] = None,
    max_failures: Annotated[float, typer.Option(help="Stop where a larger share of the clips could not be measured.")] = MAX_UNREADABLE,
    engine: EngineOption = "auto",
    ray_address: RayAddressOption = None,
    workers: WorkersOption = None,
) -> None:
    """AVSpeech, from its clips and its csv to clips in sync: score, filter, put right."""
    out.mkdir(parents=True, exist_ok=True)
    scored, kept, dropped, in_sync = (out / name for name in ("1-scored.parquet", "2-kept.parquet", "2-dropped.parquet", "3-in-sync"))
    how = engine_arguments(engine, ray_address, workers)
    listed = [] if segments is None else ["--segments", segments]

    syncqc("score", source, "--layout", "avspeech", *listed, "--out", scored, "--max-failures", max_failures, *how)
    syncqc("filter", scored, "--p", P, "--offscreen", OFFSCREEN, "--out", kept, "--drops", dropped, "--force")
    syncqc("resync", kept, "--out", in_sync, *how)


if __name__ == "__main__":
    sys.exit(run_recipe(avspeech))
