"""What is already done, kept on the disk while a run is under way, so that the same command goes on where it was stopped.

Knows results of clips and files; no stage, no engine.

In ``manifest.parquet.parts/`` lie ``settings.json``, a lock, and shards with the rows of whole clips. A shard's sidecars are
written before its rows, so a clip counts as done only when everything of it is on the disk. At the end all is merged into
``manifest.parquet`` and the folder goes. The same command afterwards scores only what has come into the folder since;
rows of files that are gone, or were changed, stay as they are.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import shutil
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import pyarrow as pa

from syncqc.engine.assemble import ClipResult
from syncqc.engine.every import Every
from syncqc.errors import UsageError
from syncqc.manifest import store
from syncqc.manifest.columns import TRACKS_SCHEMA, schema
from syncqc.manifest.row import Row

log = logging.getLogger(__name__)

CLIPS_PER_SHARD = 256
SECONDS_PER_SHARD = 30.0
_LEAST_FREE_BYTES = 64 * 2**20
_SHARD = re.compile(r"(rows|tracks|similarity)-(\d+)\.parquet")


class Journal:
    """The rows of a run on their way into one manifest; a context manager that holds the lock."""

    def __init__(
        self, out: Path, settings: Mapping[str, object], provenance: Mapping[str, object], *, keep_similarity: bool = False
    ) -> None:
        """Looks at nothing yet. `settings` decide whether rows may stand in one manifest; `provenance` is kept beside them."""
        self.out = out
        self.parts = out.with_name(out.name + ".parts")
        self.done: set[str] = set()
        self._settings = json.loads(json.dumps({**settings, "keep_similarity": keep_similarity}))
        self._provenance = dict(provenance)
        self._keep_similarity = keep_similarity
        self._waiting: list[ClipResult] = []
        self._writing = threading.RLock()
        self._timer: Every | None = None
        self._is_stuck = False
        self._replaces_out = False
        self._lock: TextIO | None = None

    def open(self, *, restart: bool = False) -> Self:
        """Ready to take results; `done` names the clips that need no more work.

        With `restart` what was done is thrown away, and a finished manifest is replaced at the end.

        Raises:
            UsageError: the place cannot be written, is in use, holds something else, or was begun with other settings.
        """
        self._check_place()
        self._lock = self._take_lock()
        try:
            if restart:
                self._discard_shards()
            self._compare_settings(restart)
            self._drop_unfinished_shards()
            finished = [self.out] if self._has_finished else []
            self.done = set(store.read_clip_ids([*finished, *self._shards("rows")]))
            self._timer = Every(SECONDS_PER_SHARD, self.flush)
        except BaseException:
            self.close()
            raise
        return self

    def add(self, result: ClipResult) -> None:
        """Takes the rows of one whole clip; they are on the disk after the next `flush`, which comes by itself.

        Raises:
            OSError: something added earlier could not be written.
        """
        if self._timer is not None and self._timer.error is not None:
            raise self._timer.error
        with self._writing:
            self._waiting.append(result)
            self.done.add(store.storable(result.clip.clip_id))
            if len(self._waiting) >= CLIPS_PER_SHARD:
                self.flush()

    def flush(self) -> None:
        """Everything added so far is on the disk.

        Raises:
            OSError: it cannot be written; what is on the disk already stays valid.
        """
        with self._writing:
            if self._waiting:
                self._is_stuck = True
                self._write_shard()
                self._is_stuck = False

    def _write_shard(self) -> None:
        number = 1 + max((_number(path) for path in self._shards("rows")), default=0)
        if self._keep_similarity:
            lines = [line for result in self._waiting for line in result.similarities]
            store.write_table(self._shard("similarity", number), store.lines_table(lines, store.SIMILARITY_SCHEMA))
        faces = [line for result in self._waiting for line in result.face_lines]
        store.write_table(self._shard("tracks", number), store.lines_table(faces, TRACKS_SCHEMA))
        rows: list[Row] = [row for result in self._waiting for row in result.rows]
        store.write_table(self._shard("rows", number), store.table_of(rows))
        self._waiting.clear()

    def finish(self) -> int:
        """One manifest and its sidecars, sorted by clip_id, part and track; the shards are gone. Gives the number of rows.

        Stopped at any point, the same command does the rest.
        """
        self.flush()
        if self._keep_similarity:
            self._merge("similarity", store.similarity_path(self.out), store.SIMILARITY_SCHEMA)
        self._merge("tracks", store.tracks_path(self.out), TRACKS_SCHEMA)
        n_rows = self._merge("rows", self.out, schema())
        if self._replaces_out:
            self._replaces_out = False
            self._write_settings()
        self._discard_shards()
        with contextlib.suppress(FileNotFoundError):
            self._settings_path.unlink()
        return n_rows

    def close(self) -> None:
        """Lets go of the lock; an empty parts folder goes. What was added but not flushed is lost."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self._lock is None:
            return
        left = {path.name for path in self.parts.iterdir()} - {"lock"} if self.parts.is_dir() else set()
        if not left or (left == {"settings.json"} and not self._replaces_out):
            shutil.rmtree(self.parts, ignore_errors=True)
        self._lock.close()
        self._lock = None

    def __enter__(self) -> Self:
        """Itself, opened or not."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Keeps what was added, also when the run is broken off."""
        try:
            if self._lock is not None and not self._is_stuck:
                self.flush()
        finally:
            self.close()

    @property
    def is_finished(self) -> bool:
        """Whether there is a manifest, and nothing that is not in it yet."""
        return self._has_finished and not self._shards("rows")

    @property
    def _settings_path(self) -> Path:
        return self.parts / "settings.json"

    @property
    def _has_finished(self) -> bool:
        return self.out.exists() and not self._replaces_out

    def _check_place(self) -> None:
        if self.out.suffix != ".parquet":
            raise UsageError(f"--out must name a .parquet file, not {self.out}")
        if self.out.is_dir():
            raise UsageError(f"{self.out} is a folder; --out must name a file")
        if self.out.exists():
            store.provenance(self.out)
        if self.parts.exists() and not (self.parts.is_dir() and _is_ours(self.parts)):
            raise UsageError(f"{self.parts} is in the way and was not made by syncqc; choose another --out")
        try:
            self.parts.mkdir(parents=True, exist_ok=True)
            trial = self.parts / ".trial"
            trial.write_bytes(bytes(4096))
            trial.unlink()
        except OSError as error:
            raise UsageError(f"cannot write to {self.out.parent}: {error.strerror}") from None
        if shutil.disk_usage(self.parts).free < _LEAST_FREE_BYTES:
            raise UsageError(f"the disk of {self.out.parent} is full; free some space or choose another --out")

    def _take_lock(self) -> TextIO:
        path = self.parts / "lock"
        while True:
            self.parts.mkdir(exist_ok=True)
            lock = path.open("a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                raise UsageError(f"another syncqc is writing {self.out}; wait for it or choose another --out") from None
            except OSError as error:
                lock.close()
                raise UsageError(f"cannot lock {path}: {error.strerror}; choose an --out on another disk") from None
            # The last owner may have removed the folder between our opening and our locking.
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
                    return lock
            lock.close()

    def _compare_settings(self, restart: bool) -> None:
        if self._settings_path.exists() and not restart:
            begun = json.loads(self._settings_path.read_text(encoding="utf-8"))
            self._replaces_out = begun["replaces_out"]
            self._refuse_changes(begun["settings"], begun["provenance"])
        elif self.out.exists() and not restart:
            known = store.provenance(self.out)
            self._refuse_changes(known.get("settings", {}), known)
        else:
            self._replaces_out = restart and self.out.exists()
        self._write_settings()

    def _write_settings(self) -> None:
        begun = {"settings": self._settings, "provenance": self._provenance, "replaces_out": self._replaces_out}
        text = json.dumps(begun, indent=1, sort_keys=True)
        store.write_aside(self._settings_path, lambda aside: _write_text(aside, text))

    def _refuse_changes(self, before: Mapping[str, Any], made_by: Mapping[str, Any]) -> None:
        versions = {side.get("schema_version") for side in (made_by, self._provenance)} - {None}
        if len(versions) > 1:
            old, new = made_by["schema_version"], self._provenance["schema_version"]
            raise UsageError(
                f"{self.out} was begun with version {old} of the manifest's columns, this syncqc writes version {new}; "
                "choose another --out, or --restart to throw away what is done"
            )
        changed = [
            f"{name} {before.get(name)!r} -> {self._settings.get(name)!r}"
            for name in sorted(before.keys() | self._settings.keys())
            if before.get(name) != self._settings.get(name)
        ]
        if changed:
            raise UsageError(
                f"{self.out} was begun with other settings: {', '.join(changed)}; "
                "use the same ones, another --out, or --restart to throw away what is done"
            )
        others = {
            name: (made_by[name], now) for name, now in self._provenance.items() if made_by.get(name, now) != now and name != "engine"
        }
        for name, (then, now) in others.items():
            log.warning("%s was begun with %s %s and goes on with %s", self.out, name, then, now)

    def _drop_unfinished_shards(self) -> None:
        whole = {_number(path) for path in self._shards("rows")}
        for path in self.parts.iterdir():
            is_orphan = _SHARD.fullmatch(path.name) and _number(path) not in whole
            if is_orphan or path.name.endswith(".part"):
                path.unlink()
        for name in (self.out, store.tracks_path(self.out), store.similarity_path(self.out)):
            for left_over in self.out.parent.glob(f".{_literal(name.name)}.*.part"):
                left_over.unlink()

    def _discard_shards(self) -> None:
        for kind in ("rows", "tracks", "similarity"):
            for path in self._shards(kind):
                path.unlink()

    def _merge(self, kind: str, out: Path, of: pa.Schema) -> int:
        finished = [out] if self._has_finished and out.exists() else []
        made_by = {**self._provenance, "settings": self._settings, "finished_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        return store.merge([*finished, *self._shards(kind)], out, of, made_by)

    def _shard(self, kind: str, number: int) -> Path:
        return self.parts / f"{kind}-{number:06d}.parquet"

    def _shards(self, kind: str) -> list[Path]:
        return sorted(self.parts.glob(f"{kind}-*.parquet"), key=_number)


def _number(shard: Path) -> int:
    found = _SHARD.fullmatch(shard.name)
    return int(found[2]) if found else 0


def _is_ours(parts: Path) -> bool:
    """Nothing lies in the folder but what a journal writes."""
    return all(
        path.name in ("lock", "settings.json") or _SHARD.fullmatch(path.name) or path.name.startswith(".") for path in parts.iterdir()
    )


def _literal(name: str) -> str:
    """The name as a glob pattern that matches only itself."""
    return re.sub(r"([*?\[])", r"[\1]", name)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
