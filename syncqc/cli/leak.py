"""``syncqc leak``: can a network tell from a trim alone when in its clip it begins?"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from syncqc.cli.lazy_default import default_of
from syncqc.cli.options import (
    AudioRootOption,
    ChunksOption,
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

EXIT_FAILED = 1
_SETTINGS = "syncqc.train.leak_settings:LeakSettings"
_READ = "syncqc.stages.start_time:ReadStart"


def leak(
    source: Annotated[
        Path, typer.Argument(help="Clips: a folder, or a list (.csv, .parquet with path, dataset, speaker; .txt).", show_default=False)
    ],
    modality: Annotated[str, typer.Option(help="rgb or audio: ask of the pictures or of the sound.")] = "rgb",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="JSON file to write, and a .md beside it.", show_default="leak-MODALITY.json")
    ] = None,
    prepared: Annotated[
        Path | None,
        typer.Option(
            help="Keep the clips' beginnings in this folder; another run with it goes on from there.", show_default="OUT.prepared, removed"
        ),
    ] = None,
    own_rate: Annotated[bool, typer.Option("--own-rate", help="Sound at the files' own rate, as in the paper, not at 16 kHz.")] = False,
    own_scale: Annotated[bool, typer.Option("--own-scale", help="Pictures not reduced: the middle of each.")] = False,
    side_px: Annotated[int | None, typer.Option(help="Pictures are so wide and high.", show_default=default_of(f"{_READ}.side_px"))] = None,
    max_clips: Annotated[
        int | None, typer.Option(help="Of more clips so many are drawn by lot.", show_default=default_of(f"{_SETTINGS}.max_clips"))
    ] = None,
    width: Annotated[
        float | None, typer.Option(help="Channels of the ResNet-18; 1: the paper's.", show_default=default_of(f"{_SETTINGS}.width"))
    ] = None,
    batches: Annotated[
        int | None, typer.Option(help="Learn from at most so many batches.", show_default=default_of(f"{_SETTINGS}.n_batches"))
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop when so many looks in a row were no better.", show_default=default_of(f"{_SETTINGS}.patience")),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Decides every lot.", show_default=default_of(f"{_SETTINGS}.seed"))] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.", show_default=default_of(f"{_SETTINGS}.device"))] = None,
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
    """Trains the paper's start-time classifier on SOURCE and says whether pictures or sound leak when in its clip a trim begins.

    Exit code 1 where the answer is "not enough data".
    """
    from syncqc.cli.leak_run import FORMAT, Work, check_places, show, write
    from syncqc.cli.logs import set_up_logs
    from syncqc.cli.score_run import Engine
    from syncqc.engine.provenance import versions
    from syncqc.stages.start_time import ReadStart
    from syncqc.train.leak_settings import LeakSettings
    from syncqc.train.leak_verdict import Says

    set_up_logs(log, verbose)
    chosen = Engine(engine, ray_address, workers, limits_of(time_limit_s, memory_limit_gb))
    asked = {"max_clips": max_clips, "width": width, "n_batches": batches, "patience": patience, "seed": seed, "device": device}
    settings = LeakSettings(**{name: value for name, value in asked.items() if value is not None})  # type: ignore[arg-type]
    read = ReadStart(modality, ReadStart.side_px if side_px is None else side_px, own_scale, own_rate)
    out = out or Path(f"leak-{modality}.json")
    check_places(out)
    listing = listing_of(source, audio_root, layout, split, segments, chunks, is_verbose=verbose)
    where = read_from(source, audio_root, listing, split, segments, chunks)
    work = Work(listing.clips, read, settings, prepared or out.with_name(out.name + ".prepared"), chosen)
    options: dict[str, object] = {
        "modality": modality,
        **asked,
        "side_px": side_px,
        "own_rate": own_rate,
        "own_scale": own_scale,
        "layout": layout,
    }
    options |= {"split": split, "audio_root": audio_root, "segments": segments, "chunks": chunks}
    about = {
        "format": FORMAT,
        "command": _command(source, options),
        "modality": modality,
        "made_with": versions(),
        "settings": {**asdict(settings), **asdict(read)},
        **work.done(where, restart=restart, is_kept=prepared is not None),
    }
    show(about)
    write(about, out)
    n_failed, n = sum(about["failed"].values()), about["n_clips_drawn"]
    if n_failed > max_failures * n:
        typer.echo(f"{n_failed / n:.1%} of the files gave nothing, more than --max-failures {max_failures:g}", err=True)
        raise typer.Exit(EXIT_FAILED)
    if about["found"]["verdict"] == Says.NOT_ENOUGH:
        raise typer.Exit(EXIT_FAILED)


def _command(source: Path, options: Mapping[str, object]) -> str:
    """The command line that asks for the same again, with the paths as they were given."""
    given: list[str] = []
    for name, value in options.items():
        option = "--" + {"n_batches": "batches"}.get(name, name).replace("_", "-")
        if value is True:
            given.append(option)
        elif value is not None and value is not False:
            given += [option, str(value)]
    return shlex.join(["syncqc", "leak", str(source), *given])
