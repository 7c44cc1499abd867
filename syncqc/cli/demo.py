"""``syncqc demo``: draws talking heads with known offsets, scores them as ``syncqc score`` does, shows truth beside measurement.

A smoke test of the whole chain, never evidence about real speech: faces and voices are made by code.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from syncqc.cli.demo_cases import PASS_IN_WORDS, Case, Row, cases, problems, signed, spoken_for
from syncqc.cli.lazy_default import default_of

if TYPE_CHECKING:
    from rich.table import Table

    from syncqc.engine.plan import Plan

EXIT_FAILED = 1
WIDE_COLUMNS = 120
"""Terminals at least so wide are told what was drawn."""
MARK = "truth.json"
"""Lies in every folder that the demo made; in another one it writes nothing."""


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the clips and the manifest; it stays.")] = Path("syncqc-demo"),
    keep: Annotated[bool, typer.Option("--keep", help="Use the clips that are there already instead of drawing them again.")] = False,
    model: Annotated[
        str | None,
        typer.Option(
            help="The network: a name from `syncqc models`, or a file.", show_default=default_of("syncqc.stages.score:Score.model")
        ),
    ] = None,
) -> None:
    """Draws talking heads with known offsets, scores them, and shows truth beside measurement; exit code 1 where they differ."""
    from rich.console import Console

    from syncqc.cli.logs import set_up_logs
    from syncqc.engine.plan import default_plan

    set_up_logs(None, False)
    started_s = time.monotonic()
    plan = default_plan(model=model)
    plan.check()
    known = cases()
    prepare_folder(out, known)
    draw_missing(known, out / "clips", keep)
    rows = score_clips(plan, known, out)
    wrong = {case.clip_id: problems(case, rows[case.clip_id]) for case in known}
    console = Console()
    console.print(comparison(known, rows, wrong, is_wide=console.width >= WIDE_COLUMNS))
    for case in known:
        if wrong[case.clip_id]:
            typer.echo(f"{case.file}: {'; '.join(wrong[case.clip_id])}")
    n_passed = sum(not found for found in wrong.values())
    typer.echo(f"{n_passed} of {len(known)} clips as drawn ({PASS_IN_WORDS}), {time.monotonic() - started_s:.0f} s\n{last_words(out)}")
    if n_passed < len(known):
        raise typer.Exit(EXIT_FAILED)


def prepare_folder(out: Path, known: Sequence[Case]) -> None:
    """The folder is there, with the truth in it.

    Raises:
        UsageError: something else lies in it, or it cannot be made.
    """
    from syncqc.errors import UsageError

    if out.exists() and not (out.is_dir() and ((out / MARK).is_file() or not any(out.iterdir()))):
        raise UsageError(f"{out} was not made by the demo; choose another folder with --out")
    try:
        (out / "clips").mkdir(parents=True, exist_ok=True)
        (out / MARK).write_text(json.dumps({case.file: _truth_in_words(case) for case in known}, indent=1) + "\n")
    except OSError as error:
        raise UsageError(f"cannot write to {out}: {error.strerror}") from None


def _truth_in_words(case: Case) -> dict[str, object]:
    from dataclasses import asdict

    return {"what": case.what, "parts": [asdict(part) for part in case.truth().parts]}


def draw_missing(known: Sequence[Case], folder: Path, keep: bool) -> None:
    """Every clip is in the folder; with `keep` only those are drawn that were missing."""
    from syncqc.media.synthetic import draw

    for number, case in enumerate(known, 1):
        path = folder / case.file
        if keep and path.exists():
            continue
        typer.echo(f"drawing {number}/{len(known)}: {case.file} ({case.what})", err=True)
        if case.talk is None:
            path.write_text("This is no video.\n")
        else:
            draw(case.talk, path)


def score_clips(plan: Plan, known: Sequence[Case], out: Path) -> dict[str, list[Row]]:
    """The manifest's rows by clip, after all clips were scored anew."""
    from syncqc.cli.score_progress import Pace, shown
    from syncqc.cli.score_run import Engine
    from syncqc.datasets.folder import list_clips
    from syncqc.engine.journal import Journal
    from syncqc.engine.provenance import versions
    from syncqc.manifest.store import read_rows

    names = {case.clip_id for case in known}
    clips = [clip for clip in list_clips(out / "clips").clips if clip.clip_id in names]
    manifest = out / "manifest.parquet"
    typer.echo(f"scoring {len(clips)} clips", err=True)
    journal = Journal(manifest, plan.settings(), {**versions(), "engine": "local"})
    with journal.open(restart=True):
        for result in shown(Engine("local").run("local", plan, clips), Pace(len(clips))):
            journal.add(result)
        journal.finish()
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in read_rows(manifest):
        rows[cast(str, row["clip_id"])].append(row)
    return rows


def comparison(known: Sequence[Case], rows: dict[str, list[Row]], wrong: dict[str, list[str]], is_wide: bool) -> Table:
    """Truth beside measurement, one line per part of a clip; where it `is_wide`, also what was drawn."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("clip", no_wrap=True)
    for heading in ("offset\ntrue", "\nfound", "offscreen\ntrue", "\nfound", "p in\nsync"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("\nverdict", no_wrap=True)
    if is_wide:
        table.add_column("\nwhat was drawn", no_wrap=True)
    for case in known:
        for index, part in enumerate(case.truth().parts):
            of_part = [row for row in rows[case.clip_id] if row["part_index"] in (index, None)]
            row: Row = spoken_for(of_part) if of_part else {}
            first = ("[red]FAIL[/]" if wrong[case.clip_id] else "[green]pass[/]", case.what) if index == 0 else ("", "")
            table.add_row(
                case.file if index == 0 else "",
                signed(part.offset_frames) if part.failure is None else str(part.failure),
                str(row.get("failure") or signed(row.get("offset_frames"))),
                _share(part.offscreen_ratio),
                _share(row.get("offscreen_ratio")),
                _share(row.get("probability_in_sync")),
                *(first if is_wide else first[:1]),
            )
    return table


def _share(value: object) -> str:
    return "" if value is None else f"{value:.2f}"


def last_words(out: Path) -> str:
    """Where things are, and what to try next."""
    return (
        f"Clips, truth and manifest are in {out}. Drawn faces and voices check the chain; they prove nothing about real speech.\n"
        f"\nTry next:\n"
        f"  syncqc inspect {out / 'clips' / 'late_4.mp4'}\n"
        f"  syncqc report {out / 'manifest.parquet'} --out report.html\n"
        f"  syncqc score YOUR_VIDEOS --out manifest.parquet"
    )
