"""How far ``syncqc score`` is: a bar on a terminal, a plain line every ten seconds elsewhere; both on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from syncqc.cli.score_summary import hours

if TYPE_CHECKING:
    from syncqc.engine.assemble import ClipResult

SECONDS_PER_LINE = 10.0


class Pace:
    """Clips and seconds of video done so far, and how fast."""

    def __init__(self, n_clips: int) -> None:
        """The clock starts now."""
        self.n_clips, self.n_done, self.n_failed, self.video_s = n_clips, 0, 0, 0.0
        self._started_s = time.monotonic()

    def add(self, result: ClipResult) -> None:
        """Counts one clip."""
        self.n_done += 1
        self.n_failed += result.failure is not None
        self.video_s += result.duration_s

    @property
    def wall_s(self) -> float:
        """Seconds since the start."""
        return max(time.monotonic() - self._started_s, 1e-6)

    def told(self) -> str:
        """What the whole run took, at its end."""
        if not self.n_clips:
            return "nothing was left to do"
        return f"{hours(self.wall_s)}, {self.video_s / self.wall_s:.1f} x realtime"

    def line(self) -> str:
        """All of it in one line."""
        left_s = (self.n_clips - self.n_done) * self.wall_s / self.n_done if self.n_done else None
        ahead = f", {hours(left_s)} left" if left_s is not None else ""
        return (
            f"{self.n_done}/{self.n_clips} clips, {self.n_done / self.wall_s:.2f} clips/s, {self.video_s / self.wall_s:.1f} x realtime, "
            f"{self.n_failed} not measured{ahead}"
        )


def shown(results: Iterable[ClipResult], pace: Pace) -> Iterator[ClipResult]:
    """The same results; what has been done so far is shown meanwhile."""
    return _as_bar(results, pace) if sys.stderr.isatty() else _as_lines(results, pace)


def _as_lines(results: Iterable[ClipResult], pace: Pace) -> Iterator[ClipResult]:
    last_s = time.monotonic()
    for result in results:
        pace.add(result)
        if time.monotonic() - last_s >= SECONDS_PER_LINE:
            last_s = time.monotonic()
            print(pace.line(), file=sys.stderr, flush=True)
        yield result


def _as_bar(results: Iterable[ClipResult], pace: Pace) -> Iterator[ClipResult]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=24), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(pace.line(), total=pace.n_clips)
        for result in results:
            pace.add(result)
            bar.update(task, completed=pace.n_done, description=pace.line())
            yield result
