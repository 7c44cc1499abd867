"""``syncqc train``: clips in, a network out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from syncqc.manifest.row import Clip
    from syncqc.train.cache import CropCache


def train(
    source: Annotated[
        Path, typer.Argument(help="Clips to train on: a folder, or a list (.csv with path, dataset, speaker).", show_default=False)
    ],
    dev: Annotated[Path, typer.Option(help="Clips of other speakers, to choose by.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the run; the same command again goes on where it stopped.", show_default=False)
    ],
    config: Annotated[Path | None, typer.Option(help="Settings in TOML.", show_default="the defaults of TrainConfig")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for mouth crops and sound.", show_default="OUT/cache")] = None,
    start_from: Annotated[str | None, typer.Option(help="Begin with the weights of this model.", show_default=False)] = None,
    clean_with: Annotated[
        str | None,
        typer.Option(help="Correct the clips' own offsets and leave bad ones out, as this model measures them.", show_default=False),
    ] = None,
) -> None:
    """Trains a network on the mouths and voices of SOURCE and keeps the weights in OUT."""
    from syncqc.datasets.folder import list_clips
    from syncqc.media.mel import MelFrontEnd
    from syncqc.nets.checkpoint import load
    from syncqc.train.batches import examples
    from syncqc.train.clean import CleanSettings, clean
    from syncqc.train.config import TrainConfig, load_config
    from syncqc.train.loop import train as run

    settings = load_config(config) if config else TrainConfig()
    start = load(start_from).network if start_from else None
    cleaner = load(clean_with).network if clean_with else None
    folder = cache or out / "cache"
    caches = [_cached(list_clips(source).clips, folder / "train", "training clips")]
    dev_cache = _cached(list_clips(dev).clips, folder / "dev", "development clips")
    corrections = None
    if cleaner is not None:
        cleaned = clean(cleaner, caches, MelFrontEnd(), CleanSettings())
        corrections = {key: (one.offset_frames, one.weight) for key, one in cleaned.items()}
        kept = sum(weight > 0 for _, weight in corrections.values())
        typer.echo(f"cleaned with {clean_with}: {kept} of {len(corrections)} face tracks kept")
    tracks = examples(caches, settings, corrections)
    dev_tracks = [(dev_cache, entry) for entry in dev_cache.entries if entry.n_images >= 75 and entry.n_tracks == 1]
    typer.echo(f"training {settings.net} on {len(tracks)} face tracks, choosing by {len(dev_tracks)}")
    with _Bar(settings.n_batches + settings.tune_batches) as bar:
        run(settings, tracks, dev_tracks, out, bar.show, start)
    typer.echo(f"weights: {out / 'weights.safetensors'}")


def _cached(clips: list[Clip], folder: Path, what: str) -> CropCache:
    """The cache in `folder`, filled first where it is not there yet."""
    from rich.progress import track

    from syncqc.train.cache import CacheShape, CropCache, build

    if not (folder / "about.json").exists():
        labelled = [(clip, clip.dataset or "", clip.speaker or clip.clip_id) for clip in clips]
        n_empty = sum(n == 0 for _, n in track(build(labelled, folder, CacheShape()), f"reading {what}", total=len(labelled)))
        typer.echo(f"{what}: {len(clips)} read, {n_empty} without a usable face track")
    return CropCache(folder)


class _Bar:
    """A progress bar with losses and the last validation."""

    def __init__(self, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._task = self._progress.add_task("starting", total=total)
        self._validation = ""

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, record: dict[str, float]) -> None:
        """Moves the bar to the record's batch."""
        if "window_accuracy" in record:
            self._validation = f" | windows right {record['window_accuracy']:.1%}, halves agree {record['halves_agree']:.1%}"
        text = f"BBCE {record['bbce']:.3f} InfoNCE {record['nce']:.3f} tau {record['tau']:.3f}{self._validation}"
        self._progress.update(self._task, completed=record["batch"], description=text)
