"""What ``syncqc train`` reads: clips, or a packed cache of them, as raw caches of mouths and voices."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from syncqc.cli.places import make_folder, write_text
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.manifest.row import Clip
    from syncqc.nets.ic_syncnet import IcSyncNetConfig
    from syncqc.train.cache import CropCache, Entry
    from syncqc.train.pack import Packed

CLIPS = "clips.txt"
"""In the folder of a cache: which clips are in it."""
LEAST_DEV_IMAGES = 60
"""2.4 s. The equal parts of a clip that is just over 5 s long are 2.5 s: a longer minimum would leave such clips out."""


@dataclass(frozen=True)
class Clips:
    """What SOURCE or DEV names: clips to read, or a packed cache of some."""

    told: str
    """A line that is another one for other clips, wherever they lie."""
    speakers: set[str]
    clips: list[Clip] = field(default_factory=list)
    packed: Packed | None = None


def clips_of(source: Path) -> Clips:
    """The clips in a folder or list, or what is kept of them in a packed cache.

    Raises:
        UsageError: there are none.
    """
    from syncqc.datasets.layout import list_source
    from syncqc.train.pack import is_packed, open_packed

    if is_packed(source):
        packed = open_packed(source)
        told = packed.index.select(["clip_id", "speaker"]).to_pylist()
        speakers = {line["speaker"] for line in told if line["speaker"] != line["clip_id"]}  # the clip_id stands for nobody known
        return Clips(f"{packed.about['n_clips']} clips ({packed.digest[:12]})", speakers, packed=packed)
    clips = list_source(source).clips
    return Clips(_told(clips), {clip.speaker for clip in clips if clip.speaker}, clips)


def _told(clips: list[Clip]) -> str:
    """How many there are, and a digest of their names, speakers and sizes."""
    import hashlib

    paths = [Path(clip.path) for clip in clips]
    sizes = [path.stat().st_size if path.exists() else None for path in paths]
    about = [(clip.clip_id, clip.dataset, clip.speaker, size) for clip, size in zip(clips, sizes, strict=True)]
    digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    return f"{len(clips)} clips ({digest[:12]})"


def tell_common_speakers(clips: Clips, dev_clips: Clips) -> None:
    """Warns where DEV is no measure of strangers."""
    common = sorted(clips.speakers & dev_clips.speakers)
    if common:
        typer.echo(f"warning: speakers of DEV are in SOURCE too, so DEV tells too much good: {', '.join(common[:5])}", err=True)


def cached(given: Clips, folder: Path, what: str, shape: IcSyncNetConfig) -> CropCache:
    """The cache in `folder`, with crops for networks of this shape, filled first where it is not there yet.

    Raises:
        UsageError: it holds other clips or crops of another size, cannot be written, or nothing in the clips can be used.
    """
    from syncqc.train.cache import ABOUT, CropCache

    then = (folder / CLIPS).read_text(encoding="utf-8").strip() if (folder / CLIPS).exists() else None
    is_filled = (folder / ABOUT).exists()
    if then != given.told and (then or is_filled):
        raise UsageError(f"{folder} holds the mouths of {then or 'unknown clips'}, not of these {given.told}; choose another --cache")
    if is_filled:
        cache = CropCache(folder)
        _refuse_other_scale(folder, cache.width_px / cache.margin, shape)
        return cache
    if given.packed is not None:
        return _unpacked(given.packed, given.told, folder, what, shape)
    make_folder(folder)
    write_text(folder / CLIPS, given.told + "\n")
    _read(given.clips, folder, what, shape, restart=then is None)
    return CropCache(folder)


def _unpacked(packed: Packed, told: str, folder: Path, what: str, shape: IcSyncNetConfig) -> CropCache:
    from syncqc.train.unpack import unpack

    _refuse_other_scale(packed.folder, packed.shape.width_px / packed.shape.margin, shape)
    make_folder(folder)
    write_text(folder / CLIPS, told + "\n")
    typer.echo(f"{what}: unpacking {packed.index.num_rows} face tracks of {packed.folder}")
    return unpack(packed.folder, folder)


def _read(clips: list[Clip], folder: Path, what: str, shape: IcSyncNetConfig, *, restart: bool) -> None:
    """Fills `folder`; `restart` where what lies there is of clips that nobody knows, or that gave nothing."""
    from rich.console import Console
    from rich.progress import track

    from syncqc.train.cache import CacheShape
    from syncqc.train.unpack import prepare

    console = Console(stderr=True)
    given = prepare(clips, folder, CacheShape.around(shape.height_px, shape.width_px), restart=restart)
    n_kept: list[int] = []
    try:
        for _, n in track(given, f"reading {what}", total=len(clips), console=console, disable=not console.is_terminal):
            n_kept.append(n)
    except UsageError as error:
        if len(n_kept) < len(clips) or any(n_kept):
            raise
        (folder / CLIPS).unlink()
        raise UsageError(f"no usable face track in the {len(clips)} {what}: a face, with sound, for at least 15 images") from error
    typer.echo(f"{what}: {len(clips)} read, {n_kept.count(0)} without a usable face track")


def _refuse_other_scale(folder: Path, seen_px: float, shape: IcSyncNetConfig) -> None:
    """Refuses crops that are larger or smaller than the network's."""
    if round(seen_px) != shape.width_px:
        raise UsageError(
            f"{folder} holds mouths for networks that see {round(seen_px)} pixels across, not {shape.width_px}; choose another"
        )


def dev_tracks_of(cache: CropCache) -> list[tuple[CropCache, Entry]]:
    """The tracks to choose by: alone in the picture, and long enough to have an offset of their own.

    Raises:
        UsageError: there is none.
    """
    found = [(cache, entry) for entry in cache.entries if entry.n_images >= LEAST_DEV_IMAGES and entry.n_tracks == 1]
    if not found:
        raise UsageError(f"no development clip shows one face alone for {LEAST_DEV_IMAGES / 25:g} s; there is nothing to choose by")
    return found
