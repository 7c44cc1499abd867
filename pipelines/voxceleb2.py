"""VoxCeleb2, from its folders to clips in sync: score, filter, put right.

    python pipelines/voxceleb2.py /data/voxceleb2 /data/voxceleb2-clean
    syncqc run voxceleb2 /data/voxceleb2 /data/voxceleb2-clean --engine ray

Stopped anywhere, the same command goes on. In OUT: ``1-scored.parquet``, every face of every clip; ``2-kept.parquet`` and
``2-dropped.parquet``, each dropped row with the rule that took it; ``3-in-sync/``, the tree of the source with the sound in its place,
and its ``manifest.parquet``, which the loaders read.
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
"""Both as IC-SyncNet filters VoxCeleb2 (App. E)."""
MAX_UNREADABLE = 0.05


def voxceleb2(
    source: Annotated[Path, typer.Argument(help="The folder with dev/ and test/, or one of them.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="A folder for everything that is made.", show_default=False)],
    max_failures: Annotated[float, typer.Option(help="Stop where a larger share of the clips could not be measured.")] = MAX_UNREADABLE,
    engine: EngineOption = "auto",
    ray_address: RayAddressOption = None,
    workers: WorkersOption = None,
) -> None:
    """VoxCeleb2, from its folders to clips in sync: score, filter, put right."""
    out.mkdir(parents=True, exist_ok=True)
    scored, kept, dropped, in_sync = (out / name for name in ("1-scored.parquet", "2-kept.parquet", "2-dropped.parquet", "3-in-sync"))
    how = engine_arguments(engine, ray_address, workers)

    syncqc("score", source, "--layout", "voxceleb2", "--out", scored, "--max-failures", max_failures, *how)
    syncqc("filter", scored, "--p", P, "--offscreen", OFFSCREEN, "--out", kept, "--drops", dropped, "--force")
    syncqc("resync", kept, "--out", in_sync, *how)


if __name__ == "__main__":
    sys.exit(run_recipe(voxceleb2))
