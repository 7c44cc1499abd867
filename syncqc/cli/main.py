"""The ``syncqc`` command: gathers the commands and turns what goes wrong into one sentence and an exit code.

Knows no command's options. Exit codes: 0 done, 1 not everything could be done, 2 the command itself is wrong, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from syncqc import __version__
from syncqc.cli.cache import cache
from syncqc.cli.calibrate import calibrate
from syncqc.cli.compare import compare
from syncqc.cli.demo import demo
from syncqc.cli.doctor import doctor
from syncqc.cli.evaluate import evaluate
from syncqc.cli.filter import filter
from syncqc.cli.inspect import inspect
from syncqc.cli.leak import leak
from syncqc.cli.merge import merge
from syncqc.cli.models import models
from syncqc.cli.report import report
from syncqc.cli.resync import resync
from syncqc.cli.run import run
from syncqc.cli.score import score
from syncqc.cli.train import train
from syncqc.errors import ClipError, UsageError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

# Errors are one sentence and bugs are plain tracebacks, so Typer's own frames around both are off.
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]})


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"syncqc {__version__}")
        raise typer.Exit


@app.callback()
def syncqc(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")] = False,
) -> None:
    """Measures whether the voice and the lips of a video belong together, over whole datasets."""


for _command in (score, filter, resync, merge, report, inspect, compare, demo, doctor, models, cache, train, evaluate, calibrate, leak):
    app.command()(_command)


# A recipe has options of its own.
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})(run)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of one run of the command; anything but a bug ends in one sentence on stderr, without a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return run_app(app, given or ["--help"], "syncqc")


def run_app(commands: typer.Typer, arguments: Sequence[str] | None = None, name: str | None = None) -> int:
    """The exit code of any Typer application, with errors as those of `main`; without `arguments`, those of this process."""
    try:
        code = commands(args=arguments, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except UsageError as error:
        return _fail(str(error), EXIT_USAGE)
    except ClipError as error:
        return _fail(error.detail, EXIT_FAILED)
    except typer.TyperException as error:
        return _fail(_uncapitalised(error.format_message()), error.exit_code)
    except typer.Abort:
        return _fail("stopped", EXIT_FAILED)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more when it ends; what is left has no reader.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    return code if isinstance(code, int) else 0


def _fail(sentence: str, code: int) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return code


def _uncapitalised(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
