"""``syncqc score``: videos in, one manifest out. Spells the options; what they mean is said where they are used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syncqc.cli.lazy_default import default_of
from syncqc.cli.options import (
    AudioRootOption,
    ChunksOption,
    DetectEveryOption,
    DetectorOption,
    DetectorRootOption,
    EngineOption,
    LayoutOption,
    LogOption,
    MemoryLimitOption,
    RayAddressOption,
    RestartOption,
    SegmentsOption,
    SplitOption,
    TimeLimitOption,
    VerboseOption,
    WorkersOption,
    limits_of,
    listing_of,
    read_from,
)

EXIT_FAILED = 1
_STAGES = "syncqc.stages"


def score(
    source: Annotated[Path, typer.Argument(help="A folder, a video, or a list of videos (.txt, .csv, .parquet).", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The manifest to write; the same command again goes on where it stopped.")
    ] = Path("manifest.parquet"),
    model: Annotated[
        str | None,
        typer.Option(help="The network: a name from `syncqc models`, or a file.", show_default=default_of(f"{_STAGES}.score:Score.model")),
    ] = None,
    w: Annotated[
        int | None, typer.Option("--w", help="Largest shift searched, in images.", show_default=default_of(f"{_STAGES}.score:Score.w"))
    ] = None,
    detector: DetectorOption = None,
    detector_root: DetectorRootOption = None,
    detect_every: DetectEveryOption = None,
    layout: LayoutOption = None,
    split: SplitOption = None,
    audio_root: AudioRootOption = None,
    segments: SegmentsOption = None,
    chunks: ChunksOption = None,
    keep_similarity: Annotated[bool, typer.Option("--keep-similarity", help="Keep whole similarity matrices beside the manifest.")] = False,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Score so many random files only, write nothing, and say what all would give.", show_default=False),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(help="Score one of n equal shares of the files, i/n from 1/n to n/n; then `syncqc merge`.", show_default=False),
    ] = None,
    restart: RestartOption = False,
    max_failures: Annotated[
        float, typer.Option(min=0, max=1, help="Exit with 1 where a larger share of the files could not be measured.")
    ] = 0.1,
    engine: EngineOption = "auto",
    ray_address: RayAddressOption = None,
    workers: WorkersOption = None,
    time_limit_s: TimeLimitOption = None,
    memory_limit_gb: MemoryLimitOption = None,
    log: LogOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Measures every face track of every video in SOURCE and writes one row for each into a manifest."""
    from syncqc.cli.logs import set_up_logs
    from syncqc.cli.score_run import Engine, score_all, score_sample, share_of
    from syncqc.engine import plan as plans

    set_up_logs(log, verbose)
    chosen = Engine(engine, ray_address, workers, limits_of(time_limit_s, memory_limit_gb), keep_similarity)
    plan = plans.default_plan(
        model=model, detector=detector, detector_root=detector_root, detect_every=detect_every, w=w, keep_similarity=keep_similarity
    )
    plan.check()
    listing = listing_of(source, audio_root, layout, split, segments, chunks, is_verbose=verbose)
    if sample is not None:
        score_sample(plan, listing.clips, sample, chosen)
        return
    settings = {
        **plan.settings(),
        **read_from(source, audio_root, listing, split, segments, chunks),
        "shard": shard,
    }
    summary = score_all(plan, share_of(listing.clips, shard), out, settings, chosen, restart=restart)
    if summary.failed_share > max_failures:
        typer.echo(f"{summary.failed_share:.1%} of the files were not measured, more than --max-failures {max_failures:g}", err=True)
        raise typer.Exit(EXIT_FAILED)
