"""TalkingHead-1KH as its scripts lay it down: crops without sound, and where in a sound file each of them belongs.

::

    {train,val,small}/raw_videos/<ytid>.mp4              the original, pictures only
    {train,val,small}/1min_clips/<ytid>_NNNN.mp4         its chunk NNNN, about a minute, cut at key frames
    {train,val,small}/cropped_clips/<ytid>_NNNN_S{}_E{}_L{}_T{}_R{}_B{}.mp4
                                                         images S to E of the chunk, cropped to a box

The folder given may hold splits, be one of them, or be a ``cropped_clips``; only the crops are clips. The original video stands for the
speaker. Where each sound belongs is said in `chunks`.

Source: Wang et al., One-Shot Free-View Neural Talking-Head Synthesis; names and cuts: the scripts of tcwang0509/TalkingHead-1KH.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from syncqc.datasets.chunks import Crop, crop_of, with_placed_sound
from syncqc.datasets.header import headers_of
from syncqc.datasets.listing import Beside, Listing, first_names, keep_split, named, prefix_of, spread, videos_under
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip
from syncqc.manifest.store import storable

log = logging.getLogger(__name__)

_CROPS, _CHUNKS = "cropped_clips", "1min_clips"
_N_NAMES_LOOKED_AT = 20
_N_CLIPS_LOOKED_AT = 4


@dataclass(frozen=True)
class _Place:
    """A folder of crops, and the split that its own folders say."""

    crops: Path
    split: str | None


@dataclass(frozen=True)
class TalkingHead1kh:
    """TalkingHead-1KH; its lists name about 500,000 crops."""

    name: str = "talkinghead1kh"
    splits: tuple[str, ...] = ("train", "val", "small")
    takes: frozenset[str] = frozenset({"audio_root", "chunks"})

    def recognises(self, folder: Path) -> str | None:
        """Names a video that is called as crops are."""
        for place in self._places(folder):
            names = itertools.islice(first_names(place.crops), _N_NAMES_LOOKED_AT)
            crop = next((name for name in names if crop_of(Path(name).stem)), None)
            if crop:
                return f"names such as {crop}"
        return None

    def clips(self, folder: Path, split: str | None, beside: Beside) -> Listing:
        """Every video in the folders of crops, with its sound where that is given. See `Layout`."""
        listing = Listing(layout=self.name)
        crops: dict[str, Crop] = {}
        places = [place for place in self._places(folder) if split is None or place.split in (split, None)]
        for place in places:
            for clip, crop in self._clips_in(place, folder, listing):
                listing.clips.append(clip)
                crops |= {clip.clip_id: crop} if crop else {}
        if listing.clips and not crops:
            raise UsageError(f"{folder} is not talkinghead1kh: no video has a name like <ytid>_0000_S0_E100_L0_T0_R512_B512.mp4")
        listing.clips.sort(key=lambda clip: clip.clip_id)
        keep_split(listing, split, self.splits, folder)
        if n_odd := len(listing.clips) - sum(clip.clip_id in crops for clip in listing.clips):
            log.warning("%d of %d clips are not named as crops are; no sound is looked for", n_odd, len(listing.clips))
        if beside.audio_root is None:
            _tell_without_sound(listing.clips, folder)
            return listing
        chunks = [beside.chunks] if beside.chunks else _chunks_of(places)
        if chunks and beside.chunks is None:
            listing.found["chunks"] = ", ".join(str(path.resolve()) for path in chunks)
        listing.clips = with_placed_sound(listing.clips, crops, beside.audio_root, chunks)
        return listing

    def _places(self, folder: Path) -> list[_Place]:
        """The folders ``cropped_clips``, or the folder itself where there are none."""
        here = folder.resolve()
        within = [_Place(folder / split / _CROPS, split) for split in self.splits]
        within += [_Place(folder / _CROPS, here.name if here.name in self.splits else None)]
        known = [place for place in within if place.crops.is_dir()]
        said = here.parent.name if here.name == _CROPS else here.name
        return known or [_Place(folder, said if said in self.splits else None)]

    def _clips_in(self, place: _Place, folder: Path, listing: Listing) -> Iterator[tuple[Clip, Crop | None]]:
        prefix = "" if place.crops == folder else f"{place.crops.relative_to(folder).as_posix()}/"
        for clip_id, path in named(videos_under(place.crops, listing)):
            crop = crop_of(Path(path).stem)
            folders = path.removeprefix(prefix_of(place.crops)).split("/")[:-1]
            split = place.split or next((name for name in folders if name in self.splits), None)
            speaker = storable(crop.video) if crop else None
            yield Clip(prefix + clip_id, path, dataset=self.name, speaker=speaker, split=split), crop


def _chunks_of(places: list[_Place]) -> list[Path]:
    """The folders of chunks beside those of crops."""
    beside = [place.crops.parent / _CHUNKS for place in places if place.crops.resolve().name == _CROPS]
    return [folder for folder in beside if folder.is_dir()]


def _tell_without_sound(clips: list[Clip], folder: Path) -> None:
    """Warns where some clips that were looked at have no sound; other people's copies may have some."""
    looked_at = [header for header in headers_of(clip.path for clip in spread(clips, _N_CLIPS_LOOKED_AT)) if header is not None]
    if not all(header.has_sound for header in looked_at):
        log.warning("clips in %s have no sound, as published; name a folder with that of the original videos by --audio-root", folder)
