from __future__ import annotations

from pathlib import Path

import pytest

from syncqc.cli.main import main
from syncqc.cli.recipes import available, find_recipe, first_line
from syncqc.errors import UsageError

RECIPE = '''"""A recipe of one's own.

More of it.
"""
from pathlib import Path
import typer
from syncqc.cli.recipes import syncqc

def mine(source: Path, n: int = 1) -> None:
    typer.echo(f"{source} {n}")
    syncqc("models", "--nonsense") if n == 7 else None
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(RECIPE)
    return path


def test_the_three_sets_have_recipes_and_each_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run"]) == 0
    listed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert listed.keys() >= {"voxceleb2", "avspeech", "talkinghead1kh"}
    assert listed["voxceleb2"] == first_line(available()["voxceleb2"])


def test_an_unknown_recipe_is_refused_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "voxceleb", "a", "b"]) == 2
    assert capsys.readouterr().err == "error: unknown recipe 'voxceleb'; did you mean 'voxceleb2'?\n"


def test_a_file_of_ones_own_is_a_recipe_with_its_own_options(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(mine), "folder", "--n", "3"]) == 0
    assert capsys.readouterr().out == "folder 3\n"


def test_a_recipe_stops_where_a_command_does_not_end_well_and_hands_its_exit_code_on(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(mine), "folder", "--n", "7"]) == 2
    said = capsys.readouterr().err
    assert "$ syncqc models --nonsense\n" in said
    assert "error: no such option: --nonsense" in said


def test_a_wrong_option_of_a_recipe_is_one_sentence(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(mine), "folder", "--m", "3"]) == 2
    assert capsys.readouterr().err.startswith("error: no such option: --m")


def test_a_recipe_shows_its_own_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "talkinghead1kh", "--help"]) == 0
    assert "--audio-root" in capsys.readouterr().out
    assert main(["run", "--help"]) == 0
    assert "RECIPE" in capsys.readouterr().out.upper()


def test_a_file_without_a_function_of_its_name_is_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "empty.py"
    path.write_text("def other() -> None: ...\n")
    with pytest.raises(UsageError, match=r"empty\.py defines no function empty, so it is no recipe"):
        find_recipe(str(path))
