"""``syncqc cache``: videos in, their mouths and voices out, small enough to move, for `syncqc train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    limits_of,
    listing_of,
    read_from,
)

if TYPE_CHECKING:
    from syncqc.cli.score_run import Engine
    from syncqc.cli.score_summary import Summary
    from syncqc.engine.plan import Plan
    from syncqc.manifest.row import Clip
    from syncqc.train.pack import PackJournal

EXIT_FAILED = 1
_STAGES = "syncqc.stages"


def cache(
    source: Annotated[
        Path, typer.Argument(help="Clips: a folder, or a list (.csv, .parquet with path, dataset, speaker; .txt).", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the cache; the same command goes on where it stopped.", show_default=False)
    ],
    net: Annotated[
        str | None,
        typer.Option(
            help="Keep crops in the size that this network trains on.", show_default=default_of("syncqc.train.config:TrainConfig.net")
        ),
    ] = None,
    crf: Annotated[
        int | None,
        typer.Option(help="Quality of the crops, 0-51, more is smaller.", show_default=default_of(f"{_STAGES}.keep_crops:KeepCrops.crf")),
    ] = None,
    detector: DetectorOption = None,
    detector_root: DetectorRootOption = None,
    detect_every: DetectEveryOption = None,
    layout: LayoutOption = None,
    split: SplitOption = None,
    audio_root: AudioRootOption = None,
    segments: SegmentsOption = None,
    chunks: ChunksOption = None,
    restart: RestartOption = False,
    max_failures: Annotated[float, typer.Option(min=0, max=1, help="Exit with 1 where a larger share of the files gave nothing.")] = 0.1,
    engine: EngineOption = "auto",
    ray_address: RayAddressOption = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Reading processes.", show_default="one per core")] = None,
    time_limit_s: TimeLimitOption = None,
    memory_limit_gb: MemoryLimitOption = None,
    log: LogOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Keeps the mouth and the voice of every face track in SOURCE, compressed, in the folder OUT."""
    from syncqc.cli.logs import set_up_logs
    from syncqc.cli.score_run import Engine
    from syncqc.faces.registry import check_detector
    from syncqc.nets.checkpoint import network_config
    from syncqc.stages.find_faces import FindFaces
    from syncqc.train import pack
    from syncqc.train.cache import CacheShape
    from syncqc.train.config import TrainConfig

    set_up_logs(log, verbose)
    chosen = Engine(engine, ray_address, workers, limits_of(time_limit_s, memory_limit_gb))
    check_detector(detector or FindFaces.detector, detector_root)
    network = network_config(net or TrainConfig.net)
    shape = CacheShape.around(network.height_px, network.width_px)
    plan = pack.cache_plan(shape, crf=crf, detector=detector, detector_root=detector_root, detect_every=detect_every)
    plan.check()
    listing = listing_of(source, audio_root, layout, split, segments, chunks, is_verbose=verbose)
    settings = {**plan.settings(), **read_from(source, audio_root, listing, split, segments, chunks)}
    journal = pack.PackJournal(out, shape, settings, chosen.provenance(len(listing.clips)))
    summary = _cached(plan, listing.clips, journal, chosen, restart)
    if summary.failed_share > max_failures:
        typer.echo(f"{summary.failed_share:.1%} of the files gave nothing, more than --max-failures {max_failures:g}", err=True)
        raise typer.Exit(EXIT_FAILED)


def _cached(plan: Plan, clips: list[Clip], journal: PackJournal, engine: Engine, restart: bool) -> Summary:
    """What became of all clips, told with the size of what was kept."""
    from syncqc.cli.score_run import carry_out, show_failures
    from syncqc.cli.score_summary import COLUMNS, Summary, hours
    from syncqc.clock import IMAGE_RATE_HZ
    from syncqc.manifest.store import read_rows
    from syncqc.train.pack import open_packed

    pace = carry_out(plan, clips, journal, engine, restart=restart)
    summary = Summary.of(read_rows(journal.out, COLUMNS))
    about = open_packed(journal.folder).about
    if pace is None:
        typer.echo(f"{journal.folder} is already complete: {summary.n_clips} clips, {about['n_tracks']} face tracks")
        return summary
    show_failures(summary)
    n_images, n_video, n_sound = (int(str(about[name])) for name in ("n_images", "n_video_bytes", "n_sound_bytes"))
    kept_s = n_images / IMAGE_RATE_HZ
    rates = f": {n_video / kept_s / 1e3:.1f} KB/s of crops, {n_sound / kept_s / 1e3:.1f} KB/s of sound" if n_images else ""
    typer.echo(
        f"{summary.n_clips} clips, {about['n_tracks']} face tracks, {hours(kept_s)}, {(n_video + n_sound) / 1e6:.1f} MB{rates}; "
        f"{summary.n_failed_clips} clips gave nothing; {pace.told()}; {journal.folder}"
    )
    return summary
