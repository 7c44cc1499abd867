"""The folder that `resync` writes: whether it may be written, who writes it now, what an earlier run left, and the manifest in it.

While a run is under way, ``.syncqc-resync`` lies in it, with a lock and what is done; at the end that goes. A file of a run that was killed
is never under its own name: it has a name that begins with a dot and ends in ``.part``, and the next run removes it. Knows files and
rows; no media, no engine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from syncqc.engine.resync import Decisions, out_paths
from syncqc.errors import ClipError, UsageError
from syncqc.manifest.store import provenance
from syncqc.media.place import How, place
from syncqc.stages.put_right import Repairable

WORK = ".syncqc-resync"
MANIFEST = "manifest.parquet"
LIST = "not-shifted.txt"

_MARK = "begun"
"""Stays until the manifest is there: without a journal, on a full disk say, the folder would pass for a stranger's."""
_ASIDE = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part(\..*)?")


def check_place(out: Path, decisions: Decisions) -> None:
    """Nothing, where the folder may be written: it is new, empty or made by `resync`, and the sources lie elsewhere.

    Raises:
        UsageError: it may not.
    """
    here = Path(os.path.realpath(out))
    for folder in sorted(decisions.source_roots):
        root = Path(folder)
        if here == root or root in here.parents or here in root.parents:
            where = "is" if here == root else "lies inside of" if root in here.parents else "contains"
            raise UsageError(f"{out} {where} the folder of the source, {root}; choose another --out")
    folders = {os.path.dirname(path) for job in decisions.jobs for path in (job.path, job.audio_path) if path is not None}  # noqa: PTH120
    for folder in sorted(folders):
        real = Path(os.path.realpath(folder))
        if here == real or here in real.parents:
            raise UsageError(f"{out} contains files of the source, in {real}; choose another --out")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; --out must name a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / WORK).is_dir() and finished(out) is None:
        raise UsageError(f"{out} is not empty and was not made by `syncqc resync`; choose another --out")


def finished(out: Path) -> dict[str, Any] | None:
    """What made the manifest in the folder; None where there is none, or not of `resync`."""
    if not (out / MANIFEST).is_file():
        return None
    try:
        made_by = provenance(out / MANIFEST)
    except UsageError:
        return None
    return made_by if "resync" in made_by else None


def refuse_changes(out: Path, made_by: Mapping[str, Any], settings: Mapping[str, object], source: Mapping[str, object]) -> None:
    """Nothing, where the finished folder was made with these settings from this manifest.

    Raises:
        UsageError: it was not; naming what differs.
    """
    before = made_by["resync"]
    changed = [f"{name} {before.get(name)!r} -> {value!r}" for name, value in settings.items() if before.get(name) != value]
    if made_by.get("source_manifest", {}).get("sha256") != source["sha256"]:
        changed.append("another manifest, or another state of it")
    if changed:
        raise UsageError(f"{out} was made with {', '.join(changed)}; choose another --out, or --restart to write it anew")


@contextlib.contextmanager
def held(out: Path) -> Iterator[Path]:
    """The place inside of `out` for what is done so far; nobody else can have it meanwhile.

    Raises:
        UsageError: somebody else has it, or it cannot be made.
    """
    work = out / WORK
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        work.mkdir(parents=True, exist_ok=True)
        (work / _MARK).touch()
        lock = (work / "lock").open("a")
    except OSError as error:
        raise UsageError(f"cannot write to {out}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise UsageError(f"another syncqc is writing into {out}; wait for it or choose another --out") from None
    except OSError as error:
        lock.close()
        raise UsageError(f"cannot lock {work}: {error.strerror}; choose an --out on another disk") from None
    try:
        yield work
    finally:
        lock.close()
        left = {path.name for path in work.iterdir()} if work.is_dir() else set()
        is_nothing_written = left <= {"lock", _MARK} and not any(path != work for path in out.iterdir())
        if left <= {"lock"} or is_nothing_written:
            shutil.rmtree(work)
            for folder in made:
                with contextlib.suppress(OSError):
                    folder.rmdir()  # only those that are still empty


def clear(work: Path, *, is_finished: bool) -> None:
    """Nothing is left of what was done so far; the place itself goes when it is let go of, if the run `is_finished`."""
    for path in work.iterdir():
        if path.name not in (("lock",) if is_finished else ("lock", _MARK)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextlib.contextmanager
def tidied(out: Path, jobs: Sequence[Repairable]) -> Iterator[None]:
    """No unfinished file lies there at the beginning, nor at the end, however it comes."""
    remove_leftovers(out, jobs)
    try:
        yield
    finally:
        remove_leftovers(out, jobs)


def remove_leftovers(out: Path, jobs: Iterable[Repairable]) -> int:
    """How many unfinished files of the runs before were removed: those beside files of the jobs and named after them."""
    names: dict[str, set[str]] = {str(out): {MANIFEST, LIST, f"{MANIFEST}.tracks.parquet", f"{MANIFEST}.similarity.parquet"}}
    for job in jobs:
        for path in out_paths(job):
            folder, _, name = path.rpartition("/")
            names.setdefault(folder, set()).add(name)
    n_removed = 0
    for folder, known in names.items():
        with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                found = _ASIDE.fullmatch(entry.name)
                if found and found[1] in known and not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)  # noqa: PTH108
                    n_removed += 1
    return n_removed


def needed_bytes(jobs: Iterable[Repairable], link: str) -> int:
    """About how much the files that are not there yet will take.

    Raises:
        UsageError: none of the sources is there.
    """
    n_bytes = n_there = 0
    first_missing: str | None = None
    for job in jobs:
        try:
            video = os.stat(job.path).st_size  # noqa: PTH116
            sound = 0 if job.audio_path is None else os.stat(job.audio_path).st_size  # noqa: PTH116
        except OSError:
            first_missing = first_missing or job.path
            continue
        n_there += 1
        if all(os.path.lexists(path) for path in out_paths(job)):
            continue
        is_video_placed = not job.is_written or job.out_audio_path is not None
        n_bytes += 0 if is_video_placed and link != "copy" else video
        n_bytes += sound if job.out_audio_path is not None and (job.shift_frames or link == "copy") else 0
    if first_missing is not None and not n_there:
        raise UsageError(
            f"none of the clips is where the manifest says, not even {first_missing}; name the folder of relative paths with --root"
        )
    return n_bytes


def free_bytes(out: Path) -> int:
    """How much the disk of the folder has left."""
    folder = Path(os.path.realpath(out))
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def tried_link(work: Path, jobs: Iterable[Repairable], how: How) -> str | None:
    """What placing a clip in this folder comes to (`reflink` instead of `copy`), tried on the smallest one; None without any to place.

    Raises:
        UsageError: the file system cannot link.
    """
    placed = [job.path for job in jobs if not job.is_written and os.path.isfile(job.path)]  # noqa: PTH113
    trial = work / "trial"
    try:
        return place(Path(min(placed, key=os.path.getsize)), trial, how) if placed else None
    except (OSError, ClipError):
        return how
    finally:
        trial.unlink(missing_ok=True)
