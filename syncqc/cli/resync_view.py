"""What ``syncqc resync`` says: how many clips of each status, what was measured again, and which clips were left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from syncqc.cli.score_summary import hours
from syncqc.manifest.resync_status import ResyncStatus
from syncqc.manifest.select import MAX_IN_TIME_FRAMES

if TYPE_CHECKING:
    from rich.table import Table

    from syncqc.engine.resync import Decided
    from syncqc.engine.resync_rows import Outcomes

MOST_NAMED = 20
_LEFT_ALONE = (ResyncStatus.DRIFTING, ResyncStatus.UNSURE, ResyncStatus.NOT_MEASURED, ResyncStatus.FAILED)


@dataclass
class ResyncSummary:
    """What became of the clips of a manifest."""

    n_clips: Counter[ResyncStatus] = field(default_factory=Counter)
    duration_s: Counter[ResyncStatus] = field(default_factory=Counter)
    n_files: int = 0
    """Files that were written, not placed."""
    residuals: dict[str, int] = field(default_factory=dict)
    """By file, its offset when it was measured again, in images."""
    not_measured_again: dict[str, str] = field(default_factory=dict)
    """By file, why measuring it again gave no number."""
    manifest: Path | None = None
    """None where nothing was written."""
    left_alone: Path | None = None
    """The list of the clips that were not put right; None where there are none."""

    @property
    def beyond(self) -> dict[str, int]:
        """Files that are still off by more than `MAX_IN_TIME_FRAMES`."""
        return {path: frames for path, frames in self.residuals.items() if abs(frames) > MAX_IN_TIME_FRAMES}

    @property
    def is_all_done(self) -> bool:
        """Nothing failed, and whatever was measured again is right."""
        return not (self.n_clips[ResyncStatus.FAILED] or self.beyond or self.not_measured_again)

    def count(self, clips: Iterable[Decided], outcomes: Outcomes) -> ResyncSummary:
        """Itself, with the clips and their files counted."""
        for clip in clips:
            done = outcomes.get(clip.clip_id, {}).values()
            status = ResyncStatus.FAILED if any(one.status is ResyncStatus.FAILED for one in done) else clip.status
            self.n_clips[status] += 1
            self.duration_s[status] += clip.duration_s  # type: ignore[assignment]
            if clip.job is not None and clip.job.is_written:
                files = [one for one in done if one.path is not None]
                self.n_files += len(files)
                self.residuals |= {str(one.path): one.residual_frames for one in files if one.residual_frames is not None}
        return self


def status_table(summary: ResyncSummary) -> Table:
    """One line per status: clips, hours, and what the status means."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("resync", no_wrap=True)
    table.add_column("clips", justify="right", no_wrap=True)
    table.add_column("video", justify="right", no_wrap=True)
    table.add_column("meaning")
    for status in ResyncStatus:
        if summary.n_clips[status]:
            table.add_row(str(status), str(summary.n_clips[status]), hours(summary.duration_s[status]), status.meaning)
    return table


def verified_lines(summary: ResyncSummary, reader: str | None) -> Iterator[str]:
    """What measuring again gave, in sentences; `reader` says how the files were read."""
    if not summary.n_files:
        return
    n = len(summary.residuals) + len(summary.not_measured_again)
    if reader is None or not n:
        yield f"{summary.n_files} files written; none was measured again (--verify none)"
        return
    counts = Counter(summary.residuals.values())
    spread = ", ".join(f"{frames:+d}: {counts[frames]}" if frames else f"0: {counts[0]}" for frames in sorted(counts))
    n_right = len(summary.residuals) - len(summary.beyond)
    yield f"{summary.n_files} files written; {n} measured again {reader}: {n_right} within ±{MAX_IN_TIME_FRAMES}"
    yield f"offsets that are left, in images: {spread or 'none was measured'}"
    yield from _named("still off by more than 1", {path: f"{frames:+d}" for path, frames in summary.beyond.items()})
    yield from _named("could not be measured again", summary.not_measured_again)


def left_alone_text(clips: Iterable[Decided], outcomes: Outcomes) -> str:
    """One line per clip that was not put right: status, clip_id and why, with tabs between them; empty without any."""
    lines = []
    for clip in clips:
        notes = [one.note or "" for one in outcomes.get(clip.clip_id, {}).values() if one.status is ResyncStatus.FAILED]
        status = ResyncStatus.FAILED if notes else clip.status
        if status in _LEFT_ALONE:
            lines.append(f"{status}\t{clip.clip_id}\t{notes[0] if notes else _why(clip)}\n")
    return "".join(lines)


def _why(clip: Decided) -> str:
    if clip.status is not ResyncStatus.UNSURE or clip.offset_frames is None:
        return clip.status.meaning
    sure = "no probability" if clip.probability is None else f"clip_probability_in_sync {clip.probability:.3f}"
    return f"offset {clip.offset_frames:+d}, {sure}"


def _named(what: str, found: dict[str, str]) -> Iterator[str]:
    if found:
        yield f"{what}: {len(found)}"
        yield from (f"  {path}: {why}" for path, why in list(found.items())[:MOST_NAMED])
        if len(found) > MOST_NAMED:
            yield f"  and {len(found) - MOST_NAMED} more"
