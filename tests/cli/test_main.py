from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import typer

from syncqc import __version__
from syncqc.cli import main as main_module
from syncqc.cli.main import app, main
from syncqc.errors import ClipError, Failure, UsageError

COMMANDS = sorted(command.callback.__name__ for command in app.registered_commands if command.callback)


def raising(error: BaseException) -> Callable[..., object]:
    def instead(**_: object) -> object:
        raise error

    return instead


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"syncqc {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []], ids=["--help", "-h", "nothing"])
def test_help_names_every_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert [name for name in COMMANDS if name not in out] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_of_its_own(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"syncqc {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["doctr"], "error: no such command 'doctr'. Did you mean 'doctor'?\n", id="near"),
        pytest.param(["frobnicate"], "error: no such command 'frobnicate'.\n", id="far"),
        pytest.param(["doctor", "--fast"], "error: no such option: --fast\n", id="option"),
        pytest.param(["--verson"], "error: no such option: --verson (Possible options: --version)\n", id="near option"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_code_2(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr() == ("", sentence)


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        pytest.param(UsageError("no such folder 'x'"), 2, "error: no such folder 'x'\n", id="usage"),
        pytest.param(ClipError(Failure.NO_AUDIO, "the file has no sound"), 1, "error: the file has no sound\n", id="clip"),
        pytest.param(typer.Abort(), 1, "error: stopped\n", id="abort"),
        pytest.param(KeyboardInterrupt(), 130, "", id="interrupt"),
        pytest.param(typer.Exit(1), 1, "", id="exit"),
    ],
)
def test_what_goes_wrong_becomes_a_code(
    error: BaseException, code: int, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = typer.Typer(pretty_exceptions_enable=False)
    broken.command()(lambda: raising(error)())
    monkeypatch.setattr(main_module, "app", broken)
    assert main(["--"]) == code
    assert capsys.readouterr().err == sentence


def test_a_bug_stays_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = typer.Typer(pretty_exceptions_enable=False)
    broken.command()(lambda: raising(ZeroDivisionError("a bug"))())
    monkeypatch.setattr(main_module, "app", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        main(["--"])


def test_a_reader_that_goes_away_is_no_error() -> None:
    syncqc = subprocess.Popen([sys.executable, "-m", "syncqc", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert syncqc.stdout is not None and syncqc.stderr is not None
    syncqc.stdout.close()
    assert syncqc.stderr.read() == ""
    syncqc.stderr.close()
    assert syncqc.wait() == 1


def test_the_module_is_the_command() -> None:
    answer = subprocess.run([sys.executable, "-m", "syncqc", "doctr"], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (2, "error: no such command 'doctr'. Did you mean 'doctor'?\n")
