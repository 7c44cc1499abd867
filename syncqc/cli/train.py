"""``syncqc train``: clips in, a network out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli.places import make_folder, write_text
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncqc.manifest.row import Clip
    from syncqc.nets.checkpoint import LoadedNet
    from syncqc.train.batches import Example
    from syncqc.train.cache import CropCache, Entry
    from syncqc.train.config import TrainConfig

RUN = "run.json"
"""In the folder of a run: what it was made from besides its settings."""
CLIPS = "clips.txt"
"""In the folder of a cache: which clips are in it."""
LEAST_DEV_IMAGES = 60
"""2.4 s. The equal parts of a clip that is just over 5 s long are 2.5 s: a longer minimum would leave such clips out."""


def train(
    source: Annotated[Path, typer.Argument(help="Clips: a folder, or a list (.csv with path, dataset, speaker).", show_default=False)],
    dev: Annotated[Path, typer.Option(help="Clips of other speakers, to choose by.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the run; the same command goes on where it stopped.", show_default=False)
    ],
    config: Annotated[Path | None, typer.Option(help="Settings in TOML.", show_default="the defaults of TrainConfig")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for mouth crops and sound.", show_default="OUT/cache")] = None,
    start_from: Annotated[str | None, typer.Option(help="Begin with the weights of this model.", show_default="random weights")] = None,
    clean_with: Annotated[
        str | None,
        typer.Option(
            help="Correct the clips' own offsets and drop bad ones, as this model sees them.", show_default="nothing is corrected"
        ),
    ] = None,
) -> None:
    """Trains a network on the mouths and voices of SOURCE and keeps the weights in OUT."""
    from syncqc.datasets.folder import list_clips
    from syncqc.nets.checkpoint import load
    from syncqc.train.config import TrainConfig, load_config
    from syncqc.train.loop import WEIGHTS
    from syncqc.train.loop import train as run

    settings = load_config(config) if config else TrainConfig()
    start = load(start_from) if start_from else None
    _check_network(settings, start, start_from)
    cleaner = load(clean_with) if clean_with else None
    clips, dev_clips = list_clips(source).clips, list_clips(dev).clips
    _tell_common_speakers(clips, dev_clips)
    make_folder(out)
    made_from = {"source": _told(clips), "dev": _told(dev_clips), "start_from": _model_told(start), "clean_with": _model_told(cleaner)}
    _refuse_other_run(out, made_from)
    total = settings.n_batches + settings.tune_batches
    done = _batches_done(out, settings)
    if done == total:
        typer.echo(f"all {total} batches are done; weights: {out / WEIGHTS}")
        return
    folder = cache or out / "cache"
    caches = [_cached(clips, folder / "train", "training clips")]
    dev_tracks = _dev_tracks(_cached(dev_clips, folder / "dev", "development clips"))
    tracks = _examples(caches, settings, cleaner, clean_with)
    write_text(out / RUN, json.dumps(made_from, indent=1) + "\n")
    typer.echo(f"training {settings.net} on {len(tracks)} face tracks, choosing by {len(dev_tracks)}")
    if done:
        typer.echo(f"going on after {done} of {total} batches")
    with _Bar(total, done) as bar:
        run(settings, tracks, dev_tracks, out, bar.show, start.network if start else None)
    typer.echo(f"weights: {out / WEIGHTS}")


def _check_network(settings: TrainConfig, start: LoadedNet | None, start_from: str | None) -> None:
    """Nothing, when the network exists and the weights to begin with are of its shape.

    Raises:
        UsageError: an unknown network, or weights of another one.
    """
    import torch

    from syncqc.nets.checkpoint import new_network

    with torch.device("meta"):
        network = new_network(settings.net)
    if start is None:
        return
    wanted, given = ({name: tensor.shape for name, tensor in one.state_dict().items()} for one in (network, start.network))
    if wanted != given:
        raise UsageError(f"--start-from {start_from} holds no weights for {settings.net}; its network has another shape")


def _told(clips: list[Clip]) -> str:
    """The clips in a line that is another one for other clips, wherever they lie."""
    import hashlib

    paths = [Path(clip.path) for clip in clips]
    sizes = [path.stat().st_size if path.exists() else None for path in paths]
    about = [(clip.clip_id, clip.dataset, clip.speaker, size) for clip, size in zip(clips, sizes, strict=True)]
    digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    return f"{len(clips)} clips ({digest[:12]})"


def _model_told(model: LoadedNet | None) -> str | None:
    return None if model is None else f"{model.header.name} ({model.weights_sha256[:12]})"


def _tell_common_speakers(clips: list[Clip], dev_clips: list[Clip]) -> None:
    common = sorted({clip.speaker for clip in clips if clip.speaker} & {clip.speaker for clip in dev_clips if clip.speaker})
    if common:
        typer.echo(f"warning: speakers of DEV are in SOURCE too, so DEV tells too much good: {', '.join(common[:5])}", err=True)


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
    from syncqc.train.loop import WEIGHTS, refuse_other_settings

    if not (out / WEIGHTS).exists():
        return 0
    trained = read_header(out / WEIGHTS).trained or {}
    refuse_other_settings(out, settings, trained)
    return int(trained.get("batches", 0))


def _cached(clips: list[Clip], folder: Path, what: str) -> CropCache:
    """The cache in `folder`, filled first where it is not there yet.

    Raises:
        UsageError: it holds other clips, cannot be written, or nothing in the clips can be used.
    """
    from rich.console import Console
    from rich.progress import track

    from syncqc.train.cache import ABOUT, CacheShape, CropCache, build

    told = _told(clips)
    if (folder / ABOUT).exists():
        then = (folder / CLIPS).read_text(encoding="utf-8").strip() if (folder / CLIPS).exists() else "unknown clips"
        if then != told:
            raise UsageError(f"{folder} holds the mouths of {then}, not of these {told}; choose another --cache")
        return CropCache(folder)
    make_folder(folder)
    write_text(folder / CLIPS, told + "\n")
    labelled = [(clip, clip.dataset or "", clip.speaker or clip.clip_id) for clip in clips]
    console = Console(stderr=True)
    built = build(labelled, folder, CacheShape())
    read = track(built, f"reading {what}", total=len(labelled), console=console, disable=not console.is_terminal)
    n_empty = sum(n == 0 for _, n in read)
    typer.echo(f"{what}: {len(clips)} read, {n_empty} without a usable face track")
    if n_empty == len(clips):
        (folder / ABOUT).unlink()
        raise UsageError(f"no usable face track in the {len(clips)} {what}: a face, with sound, for at least 15 images")
    return CropCache(folder)


def _dev_tracks(cache: CropCache) -> list[tuple[CropCache, Entry]]:
    """The tracks to choose by: alone in the picture, and long enough to have an offset of their own.

    Raises:
        UsageError: there is none.
    """
    found = [(cache, entry) for entry in cache.entries if entry.n_images >= LEAST_DEV_IMAGES and entry.n_tracks == 1]
    if not found:
        raise UsageError(f"no development clip shows one face alone for {LEAST_DEV_IMAGES / 25:g} s; there is nothing to choose by")
    return found


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
        text = f"BBCE {record['bbce']:.3f} InfoNCE {record['nce']:.3f} tau {record['tau']:.3f}{self._validation}"
        self._progress.update(self._task, completed=record["batch"], description=text)
        if not self._console.is_terminal:
            typer.echo(f"{record['batch']:.0f}/{self._total} {text}", err=True)
