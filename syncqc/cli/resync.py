"""``syncqc resync``: a manifest in, a folder of clips in time out. Spells the options; what they mean is said where they are used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syncqc.cli.lazy_default import default_of
from syncqc.cli.options import (
    EngineOption,
    LogOption,
    MemoryLimitOption,
    RayAddressOption,
    RestartOption,
    TimeLimitOption,
    VerboseOption,
    WorkersOption,
    limits_of,
)

EXIT_FAILED = 1
_SETTINGS = "syncqc.engine.resync:ResyncSettings"


def resync(
    manifest: Annotated[Path, typer.Argument(help="A manifest, best one that `syncqc filter` wrote.")] = Path("clean.parquet"),
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder to write; the same command again goes on where it stopped.", show_default=False)
    ] = ...,  # type: ignore[assignment]
    mode: Annotated[
        str | None,
        typer.Option(
            help="bake: shift the sound itself; remux: only its timestamps, which many readers ignore; virtual: write the manifest alone.",
            show_default=default_of(f"{_SETTINGS}.mode"),
        ),
    ] = None,
    audio_codec: Annotated[
        str | None, typer.Option(help="aac, flac, pcm or opus.", show_default="aac, in WebM opus, in AVI pcm, in sidecars what they held")
    ] = None,
    audio_rate: Annotated[int | None, typer.Option(min=1, help="Rate of the written sound, Hz.", show_default="by the codec")] = None,
    audio_bit_rate: Annotated[int | None, typer.Option(min=1, help="Its bit rate, kbit/s.", show_default="by the codec")] = None,
    per: Annotated[
        str | None,
        typer.Option(help="clip: whole clips; part: cut each measured part out.", show_default=default_of(f"{_SETTINGS}.per")),
    ] = None,
    verify: Annotated[
        str | None,
        typer.Option(
            help="Measure written files again, by another reader: none, sample or all.", show_default=default_of(f"{_SETTINGS}.verify")
        ),
    ] = None,
    verify_sample: Annotated[
        int | None, typer.Option(min=1, help="So many files are a sample.", show_default=default_of(f"{_SETTINGS}.verify_sample"))
    ] = None,
    link: Annotated[
        str | None,
        typer.Option(
            help="How clips that need nothing are placed: copy (shared with the source where the disk can), hard or sym.",
            show_default=default_of(f"{_SETTINGS}.link"),
        ),
    ] = None,
    skip: Annotated[bool, typer.Option("--skip", help="Do not place clips that need nothing.")] = False,
    min_p: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Leave clips of a lower clip_probability_in_sync alone.", show_default=default_of(f"{_SETTINGS}.min_p")
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="The folder that the manifest's relative paths start from.", show_default="where it was made")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The network that measures again.", show_default="the manifest's")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and write nothing.")] = False,
    restart: RestartOption = False,
    engine: EngineOption = "auto",
    ray_address: RayAddressOption = None,
    workers: WorkersOption = None,
    time_limit_s: TimeLimitOption = None,
    memory_limit_gb: MemoryLimitOption = None,
    log: LogOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Writes the clips of MANIFEST into a new folder, their sound shifted to where the lips say it; never touches the source.

    Clips that drift, are unsure or were not measured are not written but listed in not-shifted.txt.
    """
    from rich.console import Console

    from syncqc.cli.logs import set_up_logs
    from syncqc.cli.resync_run import reader_in_words, resync_manifest
    from syncqc.cli.resync_view import status_table, verified_lines
    from syncqc.cli.score_run import Engine
    from syncqc.engine.resync import ResyncSettings

    set_up_logs(log, verbose)
    given = {
        "mode": mode, "audio_codec": audio_codec, "audio_rate_hz": audio_rate, "audio_bit_rate_kbps": audio_bit_rate, "per": per,
        "verify": verify, "verify_sample": verify_sample, "link": link, "min_p": min_p, "model": model,
    }  # fmt: skip
    settings = ResyncSettings(skip=skip, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    chosen = Engine(engine, ray_address, workers, limits_of(time_limit_s, memory_limit_gb))
    summary = resync_manifest(manifest, out, settings, chosen, root=root, restart=restart, dry_run=dry_run)
    Console().print(status_table(summary))
    if summary.manifest is None:
        return
    for line in verified_lines(summary, reader_in_words(settings)):
        typer.echo(line)
    if summary.left_alone is not None:
        typer.echo(f"clips that were not put right: {summary.left_alone}")
    typer.echo(summary.manifest)
    if not summary.is_all_done:
        raise typer.Exit(EXIT_FAILED)
