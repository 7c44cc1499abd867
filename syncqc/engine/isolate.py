"""Clips read in a process of their own: a decoder that crashes, hangs or eats the memory costs one clip, never the run.

Knows the pipe to `reader_process` and the life of that process; not what is done with the parts.

The process lives for many clips. Parts come through a pipe, pickled: for one of 1 MB that takes less than a millisecond, its decoding
some hundreds.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from syncqc.engine.near import read_parts, rest_of
from syncqc.engine.plan import Near
from syncqc.engine.reader_process import CANNOT_START, END, LOG, PART, READY
from syncqc.errors import ClipError, Failure, UsageError
from syncqc.manifest.row import Clip
from syncqc.stages.part import Part

log = logging.getLogger(__name__)

_TICK_S = 1.0
_START_LIMIT_S = 600.0
_LACK_OF_MEMORY = ("bad_alloc", "MemoryError", "Cannot allocate memory", "Insufficient memory")
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Limits:
    """What one clip may cost before it is given up."""

    time_limit_s: float = 300.0
    """Longest wait for the next part."""
    memory_limit_gb: float = 8.0
    """Address space on top of what the reading process needs before it opens a clip."""


class IsolatedReader:
    """Clip by clip, the parts read by a process that is started again whenever a clip brings it down."""

    def __init__(self, near: Near, limits: Limits | None = None) -> None:
        """Nothing is started before the first clip, or `open`."""
        self._near, self._limits = near, limits or Limits()
        self._child: _Child | None = None

    def open(self) -> None:
        """Starts the process and loads the stages.

        Raises:
            UsageError: a stage refuses its settings.
            RuntimeError: the process cannot start.
        """
        if self._child is None:
            self._child = _Child(self._near, self._limits)

    def parts(self, clip: Clip) -> Iterator[Part]:
        """The parts of the clip as they are read; where the process dies or stalls, one last part says why."""
        child = self._child_for(clip)
        last: Part | None = None
        is_read = False
        try:
            while (part := child.next_part(self._limits.time_limit_s)) is not None:
                last = part
                yield part
            if last is not None and last.failure is Failure.MEMORY_LIMIT:
                self.close()  # its memory is full or in pieces; the next clip gets a fresh process
            is_read = True
        except ClipError as error:
            is_read = True
            self.close()
            if last is not None and last.part_index + 1 == last.n_parts:
                log.warning("%s: %s, after its last part", clip.path, error.detail)
            else:
                yield rest_of(clip, last, error.failure, error.detail)
        finally:
            if not is_read:
                self.close()  # nobody takes the parts that are still to come

    def close(self) -> None:
        """Ends the process at once."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def interrupt(self) -> None:
        """Makes `parts`, which another thread may be waiting in, end soon."""
        if (child := self._child) is not None:
            child.interrupt()

    def _child_for(self, clip: Clip) -> _Child:
        """A process that has been told to read the clip; a new one where the old one died between two clips."""
        if self._child is not None and not self._child.tell(clip):
            self.close()
        if self._child is None:
            self._child = _Child(self._near, self._limits)
            self._child.tell(clip)
        return self._child


@dataclass
class SameProcessReader:
    """The parts read in this very process, for tests and single files: no limits, and a crash is a crash."""

    near: Near
    _is_open: bool = field(default=False, init=False)

    def open(self) -> None:
        """Loads the stages."""
        if not self._is_open:
            for stage in self.near.stages:
                stage.open()
            self._is_open = True

    def parts(self, clip: Clip) -> Iterator[Part]:
        """The parts of the clip as they are read."""
        self.open()
        return read_parts(self.near, clip)

    def close(self) -> None:
        """Nothing to end."""

    def interrupt(self) -> None:
        """Nothing to end."""


class _Child:
    """One reading process and the three pipes to it."""

    def __init__(self, near: Near, limits: Limits) -> None:
        command_fd, to_child = os.pipe()
        from_child, answer_fd = os.pipe()
        lifeline_fd, self._lifeline = os.pipe()
        theirs = (command_fd, answer_fd, lifeline_fd)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the process; has no name on disk)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "syncqc.engine.reader_process", *map(str, theirs)],
                pass_fds=theirs,
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                env=_environment(),
            )
        finally:
            for fd in theirs:
                os.close(fd)
        self._commands = Connection(to_child, readable=False)
        self._answers = Connection(from_child, writable=False)
        try:
            self._start(near, limits)
        except BaseException:
            self.kill()
            raise

    def _start(self, near: Near, limits: Limits) -> None:
        try:
            self._commands.send_bytes(pickle.dumps((near, limits.memory_limit_gb)))
            kind, content = self._next(_START_LIMIT_S)
        except (ClipError, OSError) as error:
            why = error.detail if isinstance(error, ClipError) else str(error)
            raise RuntimeError(f"the reading process cannot start: {why}\n{self._last_words()}") from None
        if kind == CANNOT_START:
            sentence, trace = content
            if sentence is not None:
                raise UsageError(sentence)
            raise RuntimeError(f"the reading process cannot start:\n{trace}")
        assert kind == READY, kind

    def tell(self, clip: Clip) -> bool:
        """Whether the process is there to hear of the clip."""
        if self._process.poll() is not None:
            return False
        try:
            self._commands.send_bytes(pickle.dumps(clip))
        except OSError:
            return False
        return True

    def next_part(self, time_limit_s: float) -> Part | None:
        """The next part of the clip, or None after the last.

        Raises:
            ClipError: the process died or stalled.
        """
        kind, content = self._next(time_limit_s)
        if kind == END:
            return None
        assert kind == PART, kind
        part: Part = content
        return part

    def _next(self, time_limit_s: float) -> tuple[str, Any]:
        while True:
            self._wait(time_limit_s)
            try:
                message = self._answers.recv_bytes()
            except (EOFError, OSError):
                raise self._death() from None
            kind, content = pickle.loads(message)
            if kind != LOG:
                return kind, content
            name, level, text = content
            logging.getLogger(name).log(level, "%s", text)

    def _wait(self, time_limit_s: float) -> None:
        """Returns when there is an answer, or an end; time in which this process itself was stopped does not count."""
        waited_s = 0.0
        while waited_s < time_limit_s:
            before_s = time.monotonic()
            if self._answers.poll(min(_TICK_S, time_limit_s - waited_s)):
                return
            waited_s += min(time.monotonic() - before_s, 2 * _TICK_S)
        raise ClipError(Failure.TIME_LIMIT, f"nothing was read for {time_limit_s:g} s")

    def _death(self) -> ClipError:
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return ClipError(Failure.CRASHED, "the reading process closed its pipe")
        said = self._last_words()
        if any(sign in said for sign in _LACK_OF_MEMORY):
            return ClipError(Failure.MEMORY_LIMIT, "reading needs more memory than the limit; the decoder did not survive that")
        if said:
            log.warning("the reading process died; its last words: %s", said)
        if code >= 0:
            return ClipError(Failure.CRASHED, f"the reading process ended with exit code {code}")
        with contextlib.suppress(ValueError):
            return ClipError(Failure.CRASHED, f"the reading process was ended by {signal.Signals(-code).name}")
        return ClipError(Failure.CRASHED, f"the reading process was ended by signal {-code}")

    def _last_words(self) -> str:
        self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, self._said.tell() - 4000))
        return self._said.read().decode(errors="replace").strip("\0 \n")

    def interrupt(self) -> None:
        self._process.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._commands, self._answers):
            pipe.close()
        os.close(self._lifeline)
        self._said.close()


def _environment() -> dict[str, str]:
    """Ours, with the same import path, one thread per library, and threads that sleep when they wait."""
    theirs = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_WAIT_POLICY": "PASSIVE"}
    return {**os.environ, **theirs, **dict.fromkeys(_ONE_THREAD, "1")}
