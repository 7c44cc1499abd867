"""``syncqc run``: a recipe of ``pipelines/``, or of a file of one's own, by name."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    context: typer.Context,
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe's name, or a .py file with one; none: list them.", show_default=False)
    ] = None,
) -> None:
    """Carries out a recipe, `syncqc run voxceleb2 /data/voxceleb2 OUT`; without a name the recipes are listed."""
    from syncqc.cli.recipes import available, find_recipe, first_line, run_recipe

    if recipe in ("-h", "--help"):
        typer.echo(context.get_help())
        return
    if recipe is None:
        for name, path in sorted(available().items()):
            typer.echo(f"{name:<16} {first_line(path)}")
        return
    if code := run_recipe(find_recipe(recipe), context.args, f"syncqc run {recipe}"):
        raise typer.Exit(code)
