"""The runs behind ``syncqc score``: all clips into a manifest, or a sample of them into a forecast."""

from __future__ import annotations

import contextlib
import errno
import random
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import typer

from syncqc.cli.score_progress import Pace, shown
from syncqc.cli.score_summary import COLUMNS, Summary, failure_table, hours
from syncqc.engine.assemble import ClipResult
from syncqc.engine.isolate import Limits
from syncqc.engine.journal import Journal
from syncqc.engine.local import default_workers, n_cores, run_local
from syncqc.engine.plan import Plan
from syncqc.engine.provenance import versions
from syncqc.errors import UsageError, unknown_name
from syncqc.manifest.row import Clip
from syncqc.manifest.store import read_rows

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
ENGINES = ("auto", "local", "ray")
MANY_CLIPS = 200
MANY_CORES = 4
"""With fewer clips or cores the reference engine, which starts at once, is as fast."""

Watch = Callable[[Iterator[ClipResult]], Iterator[ClipResult]]


@dataclass(frozen=True)
class Engine:
    """Which engine carries out a plan, and with what."""

    name: str = "auto"
    ray_address: str | None = None
    workers: int | None = None
    limits: Limits = field(default_factory=Limits)
    keep_similarity: bool = False

    def __post_init__(self) -> None:
        """Refuses what cannot work.

        Raises:
            UsageError: unknown engine, or an address for an engine that takes none.
        """
        if self.name not in ENGINES:
            raise unknown_name("engine", self.name, ENGINES)
        if self.name == "local" and self.ray_address is not None:
            raise UsageError("--ray-address needs --engine ray")

    def settled(self, n_clips: int) -> tuple[str, str]:
        """The engine to use, and why."""
        if self.name != "auto":
            return self.name, "as asked for"
        if self.ray_address is not None:
            return "ray", f"the cluster at {self.ray_address}"
        if n_clips > MANY_CLIPS and n_cores() > MANY_CORES:
            return "ray", f"{n_clips} files on {n_cores()} cores"
        return "local", f"{n_clips} files on {n_cores()} cores"

    def provenance(self, n_clips: int) -> dict[str, str | int]:
        """The versions and the engine that make the rows."""
        return {**versions(), "engine": self.settled(n_clips)[0]}

    def run(self, name: str, plan: Plan, clips: list[Clip]) -> Iterator[ClipResult]:
        """The results of the clips as they get done."""
        if name == "ray":
            from syncqc.engine.ray_data import run_ray

            return run_ray(
                plan, clips, workers=self.workers, address=self.ray_address, limits=self.limits, keep_similarity=self.keep_similarity
            )
        workers = min(self.workers or default_workers(plan), len(clips))
        return run_local(plan, clips, workers=workers, limits=self.limits, in_order=False, keep_similarity=self.keep_similarity)


def share_of(clips: list[Clip], shard: str | None) -> list[Clip]:
    """The clips of share ``i/n``, decided by clip_id alone, so that a file stays in its share whatever comes into the folder.

    Raises:
        UsageError: not of the form i/n with 1 <= i <= n.
    """
    if shard is None:
        return clips
    found = re.fullmatch(r"(\d+)/(\d+)", shard)
    i, n = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= i <= n:
        raise UsageError(f"--shard must be i/n with i from 1 to n, like 3/8, not {shard}")
    return [clip for clip in clips if zlib.crc32(clip.clip_id.encode("utf-8")) % n == i - 1]


def score_all(
    plan: Plan, clips: list[Clip], out: Path, settings: Mapping[str, object], engine: Engine, *, restart: bool = False
) -> Summary:
    """What the manifest at `out` says once every clip is in it; clips that already are in it are not scored again."""
    journal = Journal(out, settings, engine.provenance(len(clips)), keep_similarity=engine.keep_similarity)
    pace = carry_out(plan, clips, journal, engine, restart=restart)
    summary = Summary.of(read_rows(out, COLUMNS))
    if pace is None:
        typer.echo(f"{out} is already complete: {summary.n_clips} clips")
        return summary
    show_failures(summary)
    typer.echo(f"{summary.line()}; {pace.told()}; {out}")
    return summary


def carry_out(
    plan: Plan, clips: list[Clip], journal: Journal, engine: Engine, *, restart: bool = False, watch: Watch | None = None
) -> Pace | None:
    """How fast the clips that were missing got done and the journal finished; None where there was nothing to do.

    What `watch` does not hand on is not kept, and what it raises ends the run.
    """
    name, why = engine.settled(len(clips))
    with journal.open(restart=restart):
        missing = [clip for clip in clips if clip.clip_id not in journal.done]
        if not missing and journal.is_finished:
            return None
        if n_done := len(clips) - len(missing):
            typer.echo(f"going on: {n_done} of {len(clips)} clips are done", err=True)
        pace = Pace(len(missing))
        if missing:
            typer.echo(f"engine: {name} ({why})", err=True)
        with _told_how_to_go_on(journal, len(clips)):
            results = engine.run(name, plan, missing) if missing else iter(())
            for result in shown(results if watch is None else watch(results), pace):
                journal.add(result)
            journal.finish()
    return pace


@contextlib.contextmanager
def _told_how_to_go_on(journal: Journal, n_clips: int) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"stopped: {len(journal.done)} of {n_clips} clips are done; the same command goes on from here", err=True)
        raise
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        typer.echo(f"error: cannot write {journal.parts}: {error.strerror}; mend that, and the same command goes on from here", err=True)
        raise typer.Exit(1) from None


def score_sample(plan: Plan, clips: list[Clip], n: int, engine: Engine) -> Summary:
    """What `n` clips drawn at random give, told with what all of them would give and cost; nothing is written."""
    drawn = sorted(random.Random(0).sample(clips, min(n, len(clips))), key=lambda clip: clip.clip_id)
    name, why = engine.settled(len(drawn))
    typer.echo(f"engine: {name} ({why})", err=True)
    pace = Pace(len(drawn))
    summary = Summary.of(row for result in shown(engine.run(name, plan, drawn), pace) for row in result.rows)
    show_failures(summary)
    times = len(clips) / len(drawn)
    wall_s = pace.wall_s * times
    share = summary.good_s / summary.scored_s if summary.scored_s else 0.0
    typer.echo(f"{summary.line()}; {hours(pace.wall_s)}, {pace.video_s / pace.wall_s:.1f} x realtime")
    typer.echo(
        f"all {len(clips)} clips: about {hours(summary.scored_s * times)} of video, {share:.0%} of it good (p >= 0.9, offscreen <= 0.2): "
        f"{hours(summary.good_s * times)}; about {hours(wall_s)} on this machine, {wall_s * n_cores() / 3600:.2f} core-hours"
    )
    return summary


def show_failures(summary: Summary) -> None:
    """Why clips were not measured, as a table on the terminal; nothing where there is no failure."""
    from rich.console import Console

    table = failure_table(summary)
    if table is not None:
        Console().print(table)
