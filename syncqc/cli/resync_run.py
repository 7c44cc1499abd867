"""The run behind ``syncqc resync``: from a manifest to a folder of clips that are right, and the manifest of that folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import typer

from syncqc.cli.resync_view import ResyncSummary, left_alone_text
from syncqc.cli.score_run import Engine, carry_out
from syncqc.engine.assemble import ClipResult
from syncqc.engine.journal import Journal
from syncqc.engine.plan import Plan, plan_again
from syncqc.engine.resync import Decisions, ResyncSettings, decide, out_paths
from syncqc.engine.resync_out import (
    LIST,
    MANIFEST,
    check_place,
    clear,
    finished,
    free_bytes,
    held,
    needed_bytes,
    refuse_changes,
    tidied,
    tried_link,
)
from syncqc.engine.resync_rows import (
    Outcome,
    Outcomes,
    outcomes_before,
    outcomes_of,
    residuals_of,
    write_cut_tracks,
    write_manifest,
)
from syncqc.errors import UsageError
from syncqc.manifest import store
from syncqc.manifest.row import Clip
from syncqc.media.place import How, place
from syncqc.media.repair import check_out_suffix
from syncqc.stages.put_right import NO_ROOM, PutRight, Repairable, codec_in

log = logging.getLogger(__name__)

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def resync_manifest(
    manifest: Path,
    out: Path,
    settings: ResyncSettings | None = None,
    engine: Engine | None = None,
    *,
    root: Path | None = None,
    restart: bool = False,
    dry_run: bool = False,
) -> ResyncSummary:
    """What became of the clips of the manifest; `out` holds those that are right, and ``manifest.parquet`` with all rows.

    The same call again goes on where it was stopped; once all is done it only tries those again that failed.

    Raises:
        UsageError: before anything is written, where something is wrong with the manifest, the folder or the settings.
    """
    settings, engine = settings or ResyncSettings(), engine or Engine()
    out = out.absolute()  # what the manifest says of its files holds wherever it is read
    decisions = decide(manifest, out, settings, root)
    check_place(out, decisions)
    plan = _plan(settings)
    _check_codecs(plan, decisions)
    again = _plan_again(manifest, settings, decisions)
    n_bytes = needed_bytes(decisions.jobs, settings.link)
    told = f"about {_size(n_bytes)} to write, {_size(free_bytes(out))} free"
    if dry_run:
        typer.echo(f"{told}; nothing was written")
        return ResyncSummary().count(decisions.clips, {})
    source = {"path": str(manifest.resolve()), "sha256": _sha256(manifest)}
    before = finished(out)
    if before is not None and not restart:
        refuse_changes(out, before, settings.of_the_files, source)
    with held(out) as work, _told_when_full(out), tidied(out, decisions.jobs):
        if restart:
            _start_over(out, work, decisions)
            before = None
        if decisions.jobs:
            typer.echo(told, err=True)
            _check_room(out, work, decisions.jobs, n_bytes, settings)
        run = _Run(manifest, out, settings, engine, decisions, work, source)
        return run.carried_out(plan, again, is_finished=before is not None)


@dataclass
class _Run:
    """One run, with the folder in hand."""

    manifest: Path
    out: Path
    settings: ResyncSettings
    engine: Engine
    decisions: Decisions
    work: Path
    source: dict[str, str]

    def carried_out(self, plan: Plan, again: Plan | None, *, is_finished: bool) -> ResyncSummary:
        outcomes, n_new = self._repaired(plan, is_finished)
        summary = ResyncSummary(manifest=self.out / MANIFEST)
        n_again = 0 if again is None else self._measure_again(again, outcomes, summary)
        summary.count(self.decisions.clips, outcomes)
        if n_new or n_again or not is_finished:
            self._write(outcomes)
        else:
            typer.echo(f"{self.out} is already complete")
        summary.left_alone = self.out / LIST if (self.out / LIST).exists() else None
        clear(self.work, is_finished=True)
        return summary

    def _repaired(self, plan: Plan, is_finished: bool) -> tuple[Outcomes, int]:
        """What became of each clip that had to be done, and how many were done now."""
        jobs = {job.clip_id: bool(job.cuts) for job in self.decisions.jobs}
        done = outcomes_before(self.out / MANIFEST, jobs) if is_finished else {}
        todo: list[Clip] = [job for job in self.decisions.jobs if job.clip_id not in done]
        if not todo:
            return done, 0
        journal = self._journal("repaired", self.settings.of_the_files)
        carry_out(plan, todo, journal, self.engine, watch=_stopped_when_full)
        found = outcomes_of(journal.out, jobs)
        return found | done, len(todo)

    def _measure_again(self, plan: Plan, outcomes: Outcomes, summary: ResyncSummary) -> int:
        """How many files were measured again now; their residuals stand in `outcomes`."""
        files = {str(one.path): one for one in self._written(outcomes)}
        chosen = sorted(files)
        if self.settings.verify == "sample":
            chosen = sorted(random.Random(0).sample(chosen, min(self.settings.verify_sample, len(chosen))))
        clips = [_file_as_clip(path, files[path]) for path in chosen if files[path].residual_frames is None]
        if not clips:
            return 0
        typer.echo(f"measuring {len(clips)} of {len(files)} written files again", err=True)
        journal = self._journal("verified", plan.settings())
        carry_out(plan, clips, journal, self.engine)
        residuals = residuals_of(journal.out)
        for clip in clips:
            residual = residuals[store.storable(clip.clip_id)]
            files[clip.clip_id].residual_frames = residual.frames
            if residual.frames is None:
                summary.not_measured_again[clip.clip_id] = residual.detail or "no reason is known"
            elif residual.detail:
                log.info("%s: %s", clip.clip_id, residual.detail)
        return len(clips)

    def _written(self, outcomes: Outcomes) -> Iterator[Outcome]:
        written = {job.clip_id for job in self.decisions.jobs if job.is_written}
        for clip_id, of_clip in outcomes.items():
            yield from (one for one in of_clip.values() if clip_id in written and one.path is not None)

    def _journal(self, name: str, settings: Mapping[str, object]) -> Journal:
        known = {**settings, "source_manifest": self.source["sha256"]}
        return Journal(self.work / f"{name}.parquet", known, self.engine.provenance(len(self.decisions.jobs)))

    def _write(self, outcomes: Outcomes) -> None:
        """The list of the clips left alone, the sidecars, and last the manifest, which says that all is there."""
        _write_list(self.out / LIST, left_alone_text(self.decisions.clips, outcomes))
        made = self.out / MANIFEST
        tracks = store.tracks_of(self.manifest)
        if tracks is not None and self.settings.per == "part":
            write_cut_tracks(tracks, made, self.decisions.clips)
        elif tracks is not None:
            place(tracks, store.tracks_path(made), "copy")
        if store.similarity_path(self.manifest).exists():
            place(store.similarity_path(self.manifest), store.similarity_path(made), "copy")
        made_by = {**store.provenance(self.manifest), "resync": self.settings.plain, "source_manifest": self.source}
        made_by.pop(store.TRACKS_KEY, None)  # they lie beside the new manifest
        write_manifest(self.manifest, made, self.decisions.clips, outcomes, made_by)


def reader_in_words(settings: ResyncSettings) -> str | None:
    """How written files are read when they are measured again; None where they are not."""
    if settings.verify == "none" or settings.mode == "virtual":
        return None
    if settings.mode == "remux":
        return "by time (readers that count pictures and samples do not see a shift of timestamps)"
    return "by index (OpenCV's pictures, a WAV file's samples)"


def _plan(settings: ResyncSettings) -> Plan:
    names = ("mode", "audio_codec", "audio_rate_hz", "audio_bit_rate_kbps", "link")
    plan = Plan(PutRight(**{name: getattr(settings, name) for name in names}))
    plan.check()
    return plan


def _plan_again(manifest: Path, settings: ResyncSettings, decisions: Decisions) -> Plan | None:
    if reader_in_words(settings) is None or not any(job.is_written for job in decisions.jobs):
        return None
    plan = plan_again(store.provenance(manifest).get("settings") or {}, by_index=settings.mode == "bake", model=settings.model)
    plan.check()
    return plan


def _check_codecs(plan: Plan, decisions: Decisions) -> None:
    """Nothing, where every container that is to be written can hold the sound, asked once per suffix; else who will fail is told.

    Raises:
        UsageError: it cannot hold the codec that was asked for.
    """
    source = plan.source
    assert isinstance(source, PutRight)
    kinds = Counter((Path(path).suffix, bool(job.cuts)) for job in decisions.jobs if job.is_written for path in _video_paths(job))
    for (suffix, is_cut), n_files in sorted(kinds.items()):
        try:
            check_out_suffix(suffix, source.repair(0, codec_in(suffix, source.audio_codec)), is_cut=is_cut)
        except UsageError as error:
            if source.audio_codec is not None:
                raise
            log.warning("%d files cannot be put right and will count as failed: %s", n_files, error)


def _video_paths(job: Repairable) -> list[str]:
    """The video files that the job writes; where a sidecar is written, the video is only placed."""
    if job.cuts:
        return [job.cuts[0].out_path]
    return [] if job.out_audio_path is not None else [job.out_path]


def _check_room(out: Path, work: Path, jobs: list[Repairable], n_bytes: int, settings: ResyncSettings) -> None:
    how = tried_link(work, jobs, cast("How", settings.link))
    if how == "reflink":
        n_bytes = needed_bytes(jobs, how)
    free = free_bytes(out)
    if n_bytes > free:
        told = f"{out} needs about {_size(n_bytes)} and {_size(free)} are free"
        raise UsageError(f"{told}; make room, or place clips with --link hard or sym")


def _start_over(out: Path, work: Path, decisions: Decisions) -> None:
    """Nothing counts as done any more. Clips that an earlier run wrote and this one does not stay, and that is said."""
    if finished(out) is not None:
        mine = {path for job in decisions.jobs for path in out_paths(job)}
        columns = ("resynced_path", "resynced_audio_path")
        there = {path for row in store.read_rows(out / MANIFEST, columns) for path in row.values()} - {None}
        if strangers := {str(path) for path in there} - {store.storable(path) for path in mine}:
            log.warning("%d files of the run before are not written again and stay, like %s", len(strangers), min(strangers))
        (out / MANIFEST).unlink()
    clear(work, is_finished=False)


def _stopped_when_full(results: Iterator[ClipResult]) -> Iterator[ClipResult]:
    for result in results:
        if any(row.get("detail") == NO_ROOM for row in result.rows):
            raise OSError(errno.ENOSPC, NO_ROOM)
        yield result


@contextlib.contextmanager
def _told_when_full(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        if isinstance(error.__context__, typer.Exit):  # that has been said; now the journal could not be written either
            raise error.__context__ from None
        typer.echo(f"error: cannot write to {out}: {error.strerror}; mend that, and the same command goes on from here", err=True)
        raise typer.Exit(1) from None


def _file_as_clip(path: str, one: Outcome) -> Clip:
    audio = None if one.audio_path is None else store.path_on_disk(one.audio_path)
    return Clip(path, store.path_on_disk(path), audio)


def _write_list(path: Path, text: str) -> None:
    if not text:
        path.unlink(missing_ok=True)
        return
    store.write_aside(path, lambda aside: _write_text(aside, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _size(n_bytes: int) -> str:
    """``3 MB``, ``1.2 GB``."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
