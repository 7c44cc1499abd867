"""What noise, rooms, compression and turned heads do to a network's numbers: figures, tables and a sentence for ``syncqc evaluate``.

Knows how the figures are shown; how they are made is known to `train.effects`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.manifest.row import Clip
    from syncqc.stages.score import Score

ALL = "all"
_N_WORST = 3


class Table(NamedTuple):
    """A table for the terminal or for Markdown: a title, column names, and rows of as many cells."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


def effect_names(text: str) -> list[str] | None:
    """The effects of a comma-separated list; None for ``all``.

    Raises:
        UsageError: a name is unknown, or none is given.
    """
    from syncqc.train.disturbances import chosen
    from syncqc.train.effects import HEAD_TURN

    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError("name at least one effect, or `all`")
    if names == [ALL]:
        return None
    chosen([name for name in names if name != HEAD_TURN])
    return names


def effects(
    model: str | Score, clips: Sequence[Clip], detector: str | None = None, names: Sequence[str] | None = None, max_clips: int | None = None
) -> dict[str, Any]:
    """The figures of the effects on a network, as JSON can hold them; progress goes to stderr.

    `model` is a name, a weights file or an opened `Score`; `names` None stands for all effects, `max_clips` None for the default.

    Raises:
        UsageError: no such model, detector or effect, or no clip has a row that can be judged.
    """
    from syncqc.faces.registry import check_detector
    from syncqc.stages.find_faces import FindFaces
    from syncqc.stages.score import Score
    from syncqc.train.effects import EffectSettings, effects_of

    detector = FindFaces.detector if detector is None else detector
    check_detector(detector)
    settings = EffectSettings() if max_clips is None else EffectSettings(max_clips=max_clips)
    if isinstance(model, str):
        model = Score(model=model)
        model.open()
    with _Progress() as progress:
        return effects_of(clips, model, detector, names, settings, progress)


class _Progress:
    """A bar on stderr that says which effect is being measured; where stderr is no terminal, a line per effect."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("clips"), TimeElapsedColumn())
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._task = self._bar.add_task("undisturbed")
        self._said: str | None = None

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, name: str, done: int, total: int) -> None:
        if name != self._said and not self._console.is_terminal:
            self._console.print(f"effects: {name}", highlight=False, markup=False)
        self._said = name
        self._bar.update(self._task, description=name, completed=done, total=total)


def effect_tables(found: dict[str, Any]) -> list[Table]:
    """What `effects` found as tables: of the disturbances, of the turned heads, and of what is done; as far as they were asked for."""
    tables = []
    title = "the same rows disturbed; shares in %, changes against undisturbed, good: p >= 0.9 and offscreen <= 0.2"
    on = f"{found['n_clips']} clips, {found['n_speakers']} speakers, {found['n_rows']} rows; in brackets 95 % of draws of speakers"
    if found["effects"]:
        header = ("effect", "rows", "lost", "same offset", "median p", "in sync", "good", "AUC foreign", "CPU s")
        tables.append(
            Table(f"{title} ({on})", header, [_undisturbed(found), *(_disturbed(name, one) for name, one in found["effects"].items())])
        )
    if "head_turn" in found:
        header = (
            "head",
            "rows",
            "speakers",
            "median turn",
            "halves agree",
            "median p",
            "in sync",
            "good",
            "AUC foreign",
        )
        tables.append(Table(f"undisturbed rows by how far the head is turned ({on})", header, [_turned(one) for one in found["head_turn"]]))
    if found["effects"]:
        tables.append(Table("what is done", ("effect", "what"), [(name, one["words"]) for name, one in found["effects"].items()]))
    return tables


def worst_in_words(found: dict[str, Any]) -> str:
    """One sentence about the disturbances that do most harm: where offsets are lost, and where fewer rows are good."""
    from syncqc.train.effect_figures import kept_share

    judged = {name: one for name, one in found["effects"].items() if one["n_rows"]}
    if not judged:
        return "no disturbance could be judged"
    harmful = [name for name in judged if kept_share(judged[name]) < 1]
    worst = sorted(harmful, key=lambda name: kept_share(judged[name]))[:_N_WORST]
    fewer = min(judged, key=lambda name: judged[name]["pass_share_change"])
    harm = ", ".join(f"{name} ({kept_share(judged[name]):.0%})" for name in worst)
    before, after = judged[fewer]["pass_share_before"], judged[fewer]["pass_share"]
    sentence = f"the undisturbed offset is found again least often under {harm} of the rows" if harm else "every offset is found again"
    if after >= before:
        return f"{sentence}; none makes fewer rows good (p >= 0.9, offscreen <= 0.2)"
    return f"{sentence}; {fewer} takes most rows away that were good (p >= 0.9, offscreen <= 0.2): {before:.0%} become {after:.0%}"


def show(tables: Sequence[Table]) -> None:
    """The tables on the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Shown
    from rich.text import Text

    for table in tables:
        shown = Shown(title=Text(table.title), title_justify="left", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
        for i, name in enumerate(table.header):
            shown.add_column(name, justify="right" if i else "left", no_wrap=i == 0, overflow="fold")
        for row in table.rows:
            shown.add_row(*map(Text, row))
        Console().print(shown)


def _undisturbed(found: dict[str, Any]) -> tuple[str, ...]:
    """The line to compare with; taken from the disturbance with most rows."""
    one = max(found["effects"].values(), key=lambda one: int(one["n_measured"]))
    return (
        "undisturbed", str(found["n_rows"]), "0", "", _number(one["median_probability_at_offset_before"]),
        _number(one["median_probability_in_sync_before"]), _share(one["pass_share_before"]), _number(one["foreign_auc_before"]),
        f"{found['cpu_s']:.0f}",
    )  # fmt: skip


def _disturbed(name: str, one: dict[str, Any]) -> tuple[str, ...]:
    lost = ", ".join(f"{reason} {n}" for reason, n in one["lost"].items())
    return (
        name, str(one["n_rows"]), lost or "0", _share(one["offset_agrees"], one["offset_agrees_interval95"]),
        _change(one, "median_probability_at_offset"), _change(one, "median_probability_in_sync"),
        _good(one), _number(one["foreign_auc"]), f"{one['cpu_s']:.0f}",
    )  # fmt: skip


def _turned(one: dict[str, Any]) -> tuple[str, ...]:
    degrees = "" if one["median_yaw_deg"] is None else f"{one['median_yaw_deg']:.0f}°"
    return (
        one["turn"], str(one["n_rows"]), str(one["n_speakers"]), degrees, _share(one["halves_agree"], one["halves_agree_interval95"]),
        _number(one["median_probability_at_offset"]), _number(one["median_probability_in_sync"]),
        _share(one["pass_share"], one["pass_share_interval95"]), _number(one["foreign_auc"]),
    )  # fmt: skip


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _share(value: float | None, interval: list[float] | None = None) -> str:
    if value is None:
        return ""
    return f"{100 * value:.0f}" + (f" ({100 * interval[0]:.0f}-{100 * interval[1]:.0f})" if interval else "")


def _change(one: dict[str, Any], key: str) -> str:
    """The value and how far it is from the undisturbed one."""
    return "" if one[key] is None else f"{one[key]:.3f} {one[f'{key}_change']:+.3f}"


def _good(one: dict[str, Any]) -> str:
    if one["pass_share"] is None:
        return ""
    interval = one["pass_share_change_interval95"]
    around = f" ({100 * interval[0]:+.0f} to {100 * interval[1]:+.0f})" if interval else ""
    return f"{100 * one['pass_share']:.0f} {100 * one['pass_share_change']:+.0f}{around}"
