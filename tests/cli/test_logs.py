from __future__ import annotations

import logging
from pathlib import Path

import pytest

from syncqc.cli.logs import set_up_logs
from syncqc.errors import UsageError

LOG = logging.getLogger("syncqc.engine.somewhere")


def talk() -> None:
    LOG.debug("a detail")
    LOG.warning("first line\nsecond line")
    try:
        raise ValueError("a bug")
    except ValueError:
        LOG.exception("a stage failed")


def test_the_terminal_shows_warnings_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(None, False)
    talk()
    assert capsys.readouterr().err.splitlines() == ["warning: first line ...", "error: a stage failed ..."]


def test_verbose_shows_everything(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(None, True)
    talk()
    told = capsys.readouterr().err
    assert [word in told for word in ("a detail", "second line", "ValueError: a bug")] == [True] * 3


def test_the_file_holds_everything_with_time_and_place(tmp_path: Path) -> None:
    set_up_logs(tmp_path / "run.log", False)
    talk()
    set_up_logs(None, False)
    text = (tmp_path / "run.log").read_text()
    assert "DEBUG syncqc.engine.somewhere: a detail" in text
    assert "ValueError: a bug" in text


def test_setting_up_twice_does_not_say_things_twice(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(None, False)
    set_up_logs(None, False)
    LOG.warning("once")
    assert capsys.readouterr().err == "warning: once\n"


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write the log"):
        set_up_logs(tmp_path / "no" / "run.log", False)
