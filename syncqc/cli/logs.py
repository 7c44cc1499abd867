"""Where warnings and the log of a run go: the terminal, and a file where one is named."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from syncqc.errors import UsageError


def set_up_logs(file: Path | None, is_verbose: bool) -> None:
    """Warnings on stderr without tracebacks; with `is_verbose` everything; in `file` everything, with time and tracebacks.

    Raises:
        UsageError: the file cannot be written.
    """
    logger = logging.getLogger("syncqc")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    terminal = _Terminal(logging.DEBUG if is_verbose else logging.WARNING)
    terminal.setFormatter(None if is_verbose else _OneLine())
    logger.addHandler(terminal)
    if file is None:
        return
    try:
        written = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"cannot write the log {file}: {error.strerror}") from None
    written.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(written)


class _Terminal(logging.Handler):
    """Writes to what stderr is at that moment, so that a progress bar can move out of the way."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


class _OneLine(logging.Formatter):
    """The first line of the message; what else there is stands in the log file."""

    def format(self, record: logging.LogRecord) -> str:
        first, _, rest = record.getMessage().partition("\n")
        return f"{record.levelname.lower()}: {first}{' ...' if rest or record.exc_info else ''}"
