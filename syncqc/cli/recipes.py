"""What the recipes in ``pipelines/`` are made with: the commands of syncqc called from Python, and where recipes are found.

Knows no dataset.
"""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import typer

from syncqc.errors import UsageError, unknown_name

Recipe = Callable[..., None]


def syncqc(*arguments: object) -> None:
    """The command was carried out as if it had been typed; it is shown first.

    Raises:
        typer.Exit: it did not end well; with its exit code, so that the recipe stops there.
    """
    from syncqc.cli.main import main

    words = [str(argument) for argument in arguments]
    typer.echo(f"$ syncqc {shlex.join(words)}", err=True)
    if code := main(words):
        raise typer.Exit(code)


def engine_arguments(engine: str, ray_address: str | None, workers: int | None) -> list[str]:
    """The options of an engine as they are typed; those that were not given are left out."""
    given = {"--engine": engine, "--ray-address": ray_address, "--workers": workers}
    return [word for name, value in given.items() if value is not None for word in (name, str(value))]


def run_recipe(recipe: Recipe, arguments: list[str] | None = None, name: str | None = None) -> int:
    """The exit code of a recipe, its options taken from the command line."""
    from syncqc.cli.main import run_app

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]})
    app.command()(recipe)
    return run_app(app, arguments, name)


def recipe_folders() -> list[Path]:
    """Where recipes are looked for: inside the installed package, then in the checkout around it."""
    package = Path(__file__).resolve().parents[1]
    return [folder for folder in (package / "_pipelines", package.parent / "pipelines") if folder.is_dir()]


def available() -> dict[str, Path]:
    """The recipes by name: files that define a function of their own name."""
    found: dict[str, Path] = {}
    for folder in recipe_folders():
        for path in sorted(folder.glob("*.py")):
            if f"\ndef {path.stem}(" in path.read_text(encoding="utf-8"):
                found.setdefault(path.stem, path)
    return found


def find_recipe(name: str) -> Recipe:
    """The recipe of that name, or in the file of that path.

    Raises:
        UsageError: there is none, or the file defines no function of its own name.
    """
    known = available()
    path = Path(name) if name.endswith(".py") else known.get(name)
    if path is None:
        raise unknown_name("recipe", name, known)
    if not path.is_file():
        raise UsageError(f"there is no recipe {path}")
    recipe: Recipe | None = getattr(_module(path), path.stem, None)
    if recipe is None:
        raise UsageError(f"{path} defines no function {path.stem}, so it is no recipe")
    return recipe


def first_line(recipe_file: Path) -> str:
    """The first line of a recipe's docstring."""
    import ast

    return (ast.get_docstring(ast.parse(recipe_file.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"syncqc_recipe_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
