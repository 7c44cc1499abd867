"""``syncqc cache``: videos in, their mouths and voices out, small enough to move, for `syncqc train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli.lazy_default import default_of

if TYPE_CHECKING:
    from syncqc.cli.score_run import Engine
    from syncqc.cli.score_summary import Summary
    from syncqc.engine.plan import Plan
    from syncqc.manifest.row import Clip
    from syncqc.train.pack import PackJournal

EXIT_FAILED = 1
_STAGES = "syncqc.stages"
_LIMITS = "syncqc.engine.isolate:Limits"


def cache(
    source: Annotated[
        Path, typer.Argument(help="Clips: a folder, or a list (.csv with path, dataset, speaker; .txt).", show_default=False)
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
    detector: Annotated[
        str | None, typer.Option(help="The face detector.", show_default=default_of(f"{_STAGES}.find_faces:FindFaces.detector"))
    ] = None,
    detector_root: Annotated[Path | None, typer.Option(help="Where the detector's weights lie.", show_default=False)] = None,
    detect_every: Annotated[
        int | None,
        typer.Option(min=1, help="Detect faces on every so many images.", show_default=default_of(f"{_STAGES}.find_faces:FindFaces.every")),
    ] = None,
    audio_root: Annotated[
        Path | None, typer.Option(help="Take the sound from files of the same relative path under this folder.", show_default=False)
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Throw away what is done and start over.")] = False,
    max_failures: Annotated[float, typer.Option(min=0, max=1, help="Exit with 1 where a larger share of the files gave nothing.")] = 0.1,
    engine: Annotated[str, typer.Option(help="local, ray, or auto.")] = "auto",
    ray_address: Annotated[
        str | None, typer.Option(help="A running Ray cluster, on whose nodes this syncqc is installed.", show_default=False)
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Reading processes.", show_default="one per core")] = None,
    time_limit_s: Annotated[
        float | None,
        typer.Option(min=1, help="Give a file up when nothing was read for so long.", show_default=default_of(f"{_LIMITS}.time_limit_s")),
    ] = None,
    memory_limit_gb: Annotated[
        float | None,
        typer.Option(min=0.1, help="Memory that reading one file may take.", show_default=default_of(f"{_LIMITS}.memory_limit_gb")),
    ] = None,
    log: Annotated[Path | None, typer.Option(help="Write everything that happens into this file.", show_default=False)] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show it on the terminal.")] = False,
) -> None:
    """Keeps the mouth and the voice of every face track in SOURCE, compressed, in the folder OUT."""
    from syncqc.cli.logs import set_up_logs
    from syncqc.cli.score_run import Engine
    from syncqc.datasets.folder import list_clips
    from syncqc.engine.isolate import Limits
    from syncqc.faces.registry import check_detector
    from syncqc.nets.checkpoint import network_config
    from syncqc.stages.find_faces import FindFaces
    from syncqc.train import pack
    from syncqc.train.cache import CacheShape
    from syncqc.train.config import TrainConfig

    set_up_logs(log, verbose)
    given = {"time_limit_s": time_limit_s, "memory_limit_gb": memory_limit_gb}
    limits = Limits(**{name: value for name, value in given.items() if value is not None})
    chosen = Engine(engine, ray_address, workers, limits)
    check_detector(detector or FindFaces.detector, detector_root)
    network = network_config(net or TrainConfig.net)
    shape = CacheShape.around(network.height_px, network.width_px)
    plan = pack.cache_plan(shape, crf=crf, detector=detector, detector_root=detector_root, detect_every=detect_every)
    plan.check()
    clips = list_clips(source, audio_root).clips
    settings = {
        **plan.settings(),
        "source": str(source.resolve()),
        "audio_root": None if audio_root is None else str(audio_root.resolve()),
    }
    journal = pack.PackJournal(out, shape, settings, chosen.provenance(len(clips)))
    summary = _cached(plan, clips, journal, chosen, restart)
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
