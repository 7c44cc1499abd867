"""TalkingHead-1KH, whose clips are silent, from clips and sound kept elsewhere to clips in sync: score, filter, put right.

    cd /data/th1kh
    syncqc run talkinghead1kh cropped_clips clean --audio-root audio --chunks split_videos
    python pipelines/talkinghead1kh.py cropped_clips clean --audio-root audio --chunks split_videos

The sound is that of the original videos (``<ytid>.m4a``) or of the chunks (``<ytid>_NNNN.m4a``). Chunks begin at key frames and not at
whole minutes, so with the sound of originals the chunks must be there to say when. Clips as the set's own script crops them may begin with
a repeated image; parts that stand still are dropped. Stopped anywhere, the same command goes on. OUT holds what the recipe of VoxCeleb2
makes too: ``1-scored.parquet``, ``2-kept.parquet``, ``2-dropped.parquet``, ``3-in-sync/``, whose clips have their sound inside.
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
"""Both as IC-SyncNet filters TalkingHead-1KH (App. E)."""
MAX_FROZEN = 0.1
MAX_UNREADABLE = 0.1


def talkinghead1kh(
    source: Annotated[Path, typer.Argument(help="The folder cropped_clips.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="A folder for everything that is made.", show_default=False)],
    audio_root: Annotated[Path, typer.Option(help="The folder of the sound, by original or by chunk.", show_default=False)],
    chunks: Annotated[Path | None, typer.Option(help="The folder split_videos, for the sound of originals.", show_default=False)] = None,
    max_failures: Annotated[float, typer.Option(help="Stop where a larger share of the clips could not be measured.")] = MAX_UNREADABLE,
    engine: EngineOption = "auto",
    ray_address: RayAddressOption = None,
    workers: WorkersOption = None,
) -> None:
    """TalkingHead-1KH, from silent clips and sound kept elsewhere to clips in sync: score, filter, put right."""
    out.mkdir(parents=True, exist_ok=True)
    scored, kept, dropped, in_sync = (out / name for name in ("1-scored.parquet", "2-kept.parquet", "2-dropped.parquet", "3-in-sync"))
    how = engine_arguments(engine, ray_address, workers)
    sound = ["--audio-root", audio_root, *([] if chunks is None else ["--chunks", chunks])]

    syncqc("score", source, "--layout", "talkinghead1kh", *sound, "--out", scored, "--max-failures", max_failures, *how)
    syncqc("filter", scored, "--p", P, "--offscreen", OFFSCREEN, "--max-frozen", MAX_FROZEN, "--out", kept, "--drops", dropped, "--force")
    syncqc("resync", kept, "--out", in_sync, *how)


if __name__ == "__main__":
    sys.exit(run_recipe(talkinghead1kh))
