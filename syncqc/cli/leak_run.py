"""The run behind ``syncqc leak``: clips prepared by the engine, the test, what the terminal shows, and the files."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from syncqc.cli.places import check_file, write_text
from syncqc.cli.score_run import Engine, carry_out
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip
from syncqc.manifest.store import read_rows, storable
from syncqc.stages.start_time import ReadStart
from syncqc.train.leak import Found, find_leak
from syncqc.train.leak_data import Start, StartJournal, bytes_per_clip, leak_plan, open_starts
from syncqc.train.leak_settings import LeakSettings
from syncqc.train.leak_words import HEADING, figures, question

if TYPE_CHECKING:
    from syncqc.train.leak_loop import Look

FORMAT = "syncqc-leak-1"


def check_places(out: Path) -> None:
    """Nothing, when both files can be written and what is there are earlier tests.

    Raises:
        UsageError: they cannot, or something else is there.
    """
    check_file(out, ".json")
    page = out.with_suffix(".md")
    if page.is_dir():
        raise UsageError(f"{page}, where the tables go, is a folder; choose another --out")
    for path, is_ours in ((out, _is_test), (page, lambda text: text.startswith(HEADING))):
        if path.exists() and not is_ours(path.read_text(encoding="utf-8", errors="replace")):
            raise UsageError(f"{path} is there and holds no start-time test; choose another --out")


def _is_test(text: str) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("format") == FORMAT


@dataclass(frozen=True)
class Work:
    """What is to be done to which clips, and where their beginnings go."""

    clips: list[Clip]
    read: ReadStart
    settings: LeakSettings
    folder: Path
    engine: Engine

    def done(self, where: Mapping[str, object], *, restart: bool, is_kept: bool) -> dict[str, Any]:
        """What was found, as JSON can hold it; the folder goes at the end unless it `is_kept`.

        Raises:
            UsageError: the folder cannot be used, its disk is too small, or the device is not there.
        """
        drawn = drawn_by_lot(self.clips, self.settings)
        if len(drawn) < len(self.clips):
            typer.echo(f"{len(drawn)} of {len(self.clips)} clips are drawn by lot (--max-clips)", err=True)
        starts, failed = self._prepared(drawn, where, restart=restart)
        found = _tested(starts, self.read.modality, self.settings).to_json()
        del starts
        if not is_kept:
            shutil.rmtree(self.folder)
        n_not_drawn = len(self.clips) - len(drawn)
        return {"n_clips_drawn": len(drawn), "n_not_drawn": n_not_drawn, "failed": failed, "found": found}

    def _prepared(self, clips: list[Clip], where: Mapping[str, object], *, restart: bool) -> tuple[list[Start], dict[str, int]]:
        """The beginnings of these clips once they are read, and of how many there is none, by the reason."""
        plan = leak_plan(self.read)
        plan.check()
        journal = StartJournal(self.folder, {**plan.settings(), **where}, self.engine.provenance(len(clips)))
        if not self.folder.exists():
            _check_room(self.folder.absolute().parent, len(clips) * bytes_per_clip(self.read))
        carry_out(plan, clips, journal, self.engine, restart=restart)
        wanted = {storable(clip.clip_id) for clip in clips}
        rows = [row for row in read_rows(journal.out, ("clip_id", "failure")) if row["clip_id"] in wanted]
        failed = Counter(str(row["failure"]) for row in rows if row["failure"] is not None)
        return [start for start in open_starts(self.folder) if start.clip_id in wanted], dict(failed)


def drawn_by_lot(clips: list[Clip], settings: LeakSettings) -> list[Clip]:
    """At most as many of the clips as the settings say, in their order."""
    if len(clips) <= settings.max_clips:
        return clips
    which = sorted(random.Random(settings.seed).sample(range(len(clips)), settings.max_clips))
    return [clips[i] for i in which]


def _check_room(place: Path, needed: int) -> None:
    if not place.is_dir():
        raise UsageError(f"there is no folder {place} to prepare clips in")
    free = shutil.disk_usage(place).free
    if needed > free:
        raise UsageError(
            f"the beginnings of the clips take about {needed / 1e9:.1f} GB; on the disk of {place} {free / 1e9:.1f} GB are free: "
            "--prepared names another place, --max-clips takes fewer"
        )


def _tested(starts: Sequence[Start], modality: str, settings: LeakSettings) -> Found:
    """What is found, the looks told on the terminal as they come."""

    def told(look: Look) -> None:
        typer.echo(
            f"batch {look.n_batches}: loss {look.train_loss:.3f}, on validation clips {look.validation_loss:.3f}, "
            f"at 1 {look.accuracy_at_1:.1%}, at 5 {look.accuracy_at_5:.1%}; {look.wall_s:.0f} s",
            err=True,
        )

    return find_leak(starts, modality, settings, told)


def show(about: Mapping[str, Any]) -> None:
    """The answer, and a table of the figures behind it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    found = about["found"]
    typer.echo(question(about))
    if found["learnt"] is not None:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("")
        for name in ("accuracy", "95 %", "chance", "p"):
            table.add_column(name, justify="right", no_wrap=True)
        for line in figures(found):
            table.add_row(*(Text(cell) for cell in line))
        Console().print(table)
    typer.echo(f"{found['verdict']}: {found['reason']}")


def write(about: Mapping[str, Any], out: Path) -> None:
    """The test as JSON at `out` and as a page beside it.

    Raises:
        UsageError: they cannot be written.
    """
    from syncqc.train.leak_words import page

    write_text(out, json.dumps(about, indent=1) + "\n")
    write_text(out.with_suffix(".md"), page(about))
    typer.echo(f"{out}, {out.with_suffix('.md')}")
