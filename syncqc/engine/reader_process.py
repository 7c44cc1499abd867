"""The life of a reading process: takes clips from one pipe, gives their parts into another, and goes when its parent goes.

Run by `isolate`, with ``python -m syncqc.engine.reader_process``. Knows no engine.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import logging
import os
import pickle
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from syncqc.engine.near import read_parts
from syncqc.engine.plan import Near
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip

READY, PART, END, LOG, CANNOT_START = "ready", "part", "end", "log", "cannot start"


def main(command_fd: int, answer_fd: int, lifeline_fd: int) -> None:
    """Serves clips until the command pipe closes."""
    die_with_the_parent(lifeline_fd)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    commands = Connection(command_fd, writable=False)
    answers = _Answers(Connection(answer_fd, readable=False))
    with contextlib.suppress(EOFError, BrokenPipeError):
        near = _open(commands.recv_bytes(), answers)
        if near is None:
            return
        while True:
            _serve(near, pickle.loads(commands.recv_bytes()), answers)


def die_with_the_parent(lifeline_fd: int) -> None:
    """From now on this process ends as soon as nobody holds the other end of the pipe, even inside native code.

    The kernel sends SIGIO when the last writer closes, and SIGIO ends a process that does not catch it. (Linux; elsewhere the
    process ends when it next reads or writes a pipe.)
    """
    if not hasattr(os, "O_ASYNC"):
        return
    fcntl.fcntl(lifeline_fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline_fd, fcntl.F_SETFL, fcntl.fcntl(lifeline_fd, fcntl.F_GETFL) | os.O_ASYNC)


def use_threads(n: int) -> None:
    """The libraries that are loaded already use at most `n` threads each for one operation."""
    if (cv2 := sys.modules.get("cv2")) is not None:
        cv2.setNumThreads(n)
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(n)


class _Answers:
    """The pipe to the parent; whole messages, also when a thread logs."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, threading.Lock()

    def give(self, kind: str, content: Any = None) -> None:
        message = pickle.dumps((kind, content), protocol=5)
        with self._lock:
            self._pipe.send_bytes(message)


class _LogToParent(logging.Handler):
    def __init__(self, answers: _Answers) -> None:
        super().__init__()
        self._answers = answers

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            self._answers.give(LOG, (record.name, record.levelno, self.format(record)))


def _open(order: bytes, answers: _Answers) -> Near | None:
    logging.getLogger().addHandler(_LogToParent(answers))
    near: Near
    try:
        near, memory_limit_gb = pickle.loads(order)
        for stage in near.stages:
            stage.open()
    except Exception as error:
        sentence = str(error) if isinstance(error, UsageError) else None
        answers.give(CANNOT_START, (sentence, traceback.format_exc()))
        return None
    use_threads(1)
    _limit_memory(memory_limit_gb)
    answers.give(READY)
    return near


def _serve(near: Near, clip: Clip, answers: _Answers) -> None:
    _empty_stderr()
    for part in read_parts(near, clip):
        answers.give(PART, part)
    answers.give(END)


def _limit_memory(limit_gb: float) -> None:
    """Address space may grow by `limit_gb` from here; what asks for more gets a MemoryError. Linux only."""
    status = Path("/proc/self/statm")
    if not status.exists():
        return
    import resource

    in_use = int(status.read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = in_use + int(limit_gb * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _empty_stderr() -> None:
    """Decoders write much; the parent only wants what was said about the clip that brought the process down."""
    with contextlib.suppress(OSError):
        os.ftruncate(2, 0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
