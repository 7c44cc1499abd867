"""``syncqc train``: clips in, a network out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli.places import make_folder, write_text
from syncqc.cli.train_clips import cached, clips_of, dev_tracks_of, tell_common_speakers
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncqc.engine.ray_train import RayGroup
    from syncqc.nets.checkpoint import LoadedNet
    from syncqc.nets.ic_syncnet import IcSyncNet, IcSyncNetConfig
    from syncqc.train.batches import Example
    from syncqc.train.cache import CropCache, Entry
    from syncqc.train.config import TrainConfig

EXIT_FAILED = 1
RUN = "run.json"
"""In the folder of a run: what it was made from besides its settings."""


def train(
    source: Annotated[
        Path,
        typer.Argument(
            help="Clips: a folder, a list (.csv with path, dataset, speaker), or what `syncqc cache` wrote.", show_default=False
        ),
    ],
    dev: Annotated[Path, typer.Option(help="Clips of other speakers, to choose by; as SOURCE.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the run; the same command goes on where it stopped.", show_default=False)
    ],
    config: Annotated[Path | None, typer.Option(help="Settings in TOML.", show_default="the defaults of TrainConfig")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for mouth crops and sound.", show_default="OUT/cache")] = None,
    start_from: Annotated[
        str | None, typer.Option(help="Begin with the weights of this model, which may have fewer blocks.", show_default="random weights")
    ] = None,
    clean_with: Annotated[
        str | None,
        typer.Option(
            help="Correct the clips' own offsets and drop bad ones, as this model sees them.", show_default="nothing is corrected"
        ),
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes that share every batch, a GPU each where there are GPUs; more than 1 start Ray Train.")
    ] = 1,
) -> None:
    """Trains a network on the mouths and voices of SOURCE and keeps the weights in OUT."""
    from syncqc.nets.checkpoint import load, network_config
    from syncqc.train.config import TrainConfig, load_config
    from syncqc.train.loop import train as run
    from syncqc.train.state import WEIGHTS

    settings = load_config(config) if config else TrainConfig()
    group = _group(processes, settings) if processes > 1 else None
    start = load(start_from) if start_from else None
    shape = network_config(settings.net, settings.mel_columns)
    beginning = _beginning(start.network, shape, settings, str(start_from)) if start else None
    cleaner = load(clean_with) if clean_with else None
    clips, dev_clips = clips_of(source), clips_of(dev)
    tell_common_speakers(clips, dev_clips)
    make_folder(out)
    made_from = {"source": clips.told, "dev": dev_clips.told, "start_from": _model_told(start), "clean_with": _model_told(cleaner)}
    _refuse_other_run(out, made_from)
    total = settings.n_batches + settings.tune_batches
    done = _batches_done(out, settings)
    if done == total:
        typer.echo(f"all {total} batches are done; weights: {out / WEIGHTS}")
        return
    folder = cache or out / "cache"
    caches = [cached(clips, folder / "train", "training clips", shape)]
    dev_tracks = dev_tracks_of(cached(dev_clips, folder / "dev", "development clips", shape))
    tracks = _examples(caches, settings, cleaner, clean_with)
    write_text(out / RUN, json.dumps(made_from, indent=1) + "\n")
    typer.echo(f"training {settings.net} on {len(tracks)} face tracks, choosing by {len(dev_tracks)}")
    if done:
        typer.echo(f"going on after {done} of {total} batches")
    with _Bar(total, done) as bar:
        if group is None:
            run(settings, tracks, dev_tracks, out, bar.show, beginning)
        else:
            _run_together(_Share(settings, tracks, dev_tracks, out, beginning), group.n_ranks, bar.show)
    typer.echo(f"weights: {out / WEIGHTS}")


@dataclass(frozen=True)
class _Share:
    """What each of several processes does."""

    settings: TrainConfig
    tracks: list[Example]
    dev_tracks: list[tuple[CropCache, Entry]]
    out: Path
    beginning: IcSyncNet | None

    def __call__(self, group: RayGroup) -> None:
        from syncqc.train.loop import train as run

        run(self.settings, self.tracks, self.dev_tracks, self.out, group.tell, self.beginning, group)


def _group(processes: int, settings: TrainConfig) -> RayGroup:
    """The group as its first process will see it.

    Raises:
        UsageError: Ray Train is not installed, or a batch cannot be shared by so many.
    """
    from syncqc.train.group import share_of

    try:
        from syncqc.engine.ray_train import RayGroup
    except ImportError as error:
        raise UsageError(f"--processes needs Ray Train (pip install 'ray[train]'): {error}") from error
    group = RayGroup(0, processes)
    share_of(settings, group)
    return group


def _run_together(share: _Share, processes: int, show: Callable[[dict[str, float]], None]) -> None:
    from tempfile import TemporaryDirectory

    from syncqc.engine.ray_train import WorkersFailedError, run_workers
    from syncqc.train.device import chosen_device

    try:
        with TemporaryDirectory(prefix="syncqc-train-") as storage:
            run_workers(share, processes, chosen_device(share.settings).type == "cuda", Path(storage), show)
    except WorkersFailedError as error:
        typer.echo(f"error: {error}; the same command goes on after the last saved batch", err=True)
        raise typer.Exit(EXIT_FAILED) from error


def _beginning(network: IcSyncNet, shape: IcSyncNetConfig, settings: TrainConfig, name: str) -> IcSyncNet:
    """The network to begin with: the given one, made deeper where the wanted shape has more blocks.

    Raises:
        UsageError: its weights are of another shape.
    """
    import torch

    from syncqc.nets.deepen import deepened

    torch.manual_seed(settings.seed)  # for the weights that the given network has not
    try:
        return deepened(network, shape)
    except ValueError as error:
        raise UsageError(f"--start-from {name} holds no weights for {settings.net}; its network has another shape") from error


def _model_told(model: LoadedNet | None) -> str | None:
    return None if model is None else f"{model.header.name} ({model.weights_sha256[:12]})"


def _refuse_other_run(out: Path, made_from: Mapping[str, str | None]) -> None:
    """Refuses to go on with other clips or models than the folder's run began with."""
    if not (out / RUN).exists():
        return
    then = json.loads((out / RUN).read_text(encoding="utf-8"))
    changed = [f"{name}: {then.get(name)} -> {now}" for name, now in made_from.items() if then.get(name) != now]
    if changed:
        raise UsageError(f"{out} holds a run on something else ({'; '.join(changed)}); choose another folder")


def _batches_done(out: Path, settings: TrainConfig) -> int:
    """How many batches the folder's weights have seen.

    Raises:
        UsageError: they were trained with other settings.
    """
    from syncqc.nets.checkpoint import read_header
    from syncqc.train.state import WEIGHTS, batches_in_weights, refuse_other_settings

    if (out / WEIGHTS).exists():
        refuse_other_settings(out, settings, read_header(out / WEIGHTS).trained or {})
    return batches_in_weights(out)


def _examples(caches: list[CropCache], settings: TrainConfig, cleaner: LoadedNet | None, name: str | None) -> list[Example]:
    """The tracks to train on, corrected where there is a cleaner; what was left out is told with its reasons.

    Raises:
        UsageError: there are too few for a batch.
    """
    from collections import Counter

    from syncqc.media.mel import MelFrontEnd
    from syncqc.train.batches import examples
    from syncqc.train.clean import CleanSettings, clean

    corrections = None
    if cleaner is not None:
        cleaned = clean(cleaner.network, caches, MelFrontEnd(**(cleaner.header.mel or {})), CleanSettings())
        corrections = {key: (one.offset_frames, one.weight) for key, one in cleaned.items()}
        reasons = Counter(one.reason for one in cleaned.values())
        typer.echo(f"cleaned with {name}: {'; '.join(f'{reason} {n}' for reason, n in reasons.most_common())}")
    tracks = examples(caches, settings, corrections)
    if len(tracks) < settings.n_segments:
        raise UsageError(f"{len(tracks)} usable face tracks are too few for batches of {settings.n_segments} (n_segments)")
    return tracks


class _Bar:
    """Losses and the last validation: beside a progress bar on a terminal, a line per record elsewhere."""

    def __init__(self, total: int, done: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = self._progress.add_task("starting", total=total, completed=done)
        self._total = total
        self._validation = ""

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, record: dict[str, float]) -> None:
        """Moves the bar to the record's batch, or writes a line."""
        windows, halves = record.get("window_accuracy"), record.get("halves_agree")
        if windows is not None:
            self._validation = f" | windows right {windows:.1%}" + ("" if halves is None else f", halves agree {halves:.1%}")
        binary = next(f"{name.upper()} {record[name]:.3f}" for name in ("bbce", "bce") if name in record)
        text = f"{binary} InfoNCE {record['nce']:.3f} tau {record['tau']:.3f}{self._validation}"
        self._progress.update(self._task, completed=record["batch"], description=text)
        if not self._console.is_terminal:
            typer.echo(f"{record['batch']:.0f}/{self._total} {text}", err=True)
