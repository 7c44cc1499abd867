"""Pictures and sound that belong together, and such that do not by a known shift or because somebody else speaks: to train sync networks.

Knows rows and their sound; no network and no loss.

::

    own        the row's images with their sound, put right by the measured offset            shift_frames = 0    label 1
    shifted    the same images with sound of the same row that comes too early or too late    shift_frames = k    label 0
    foreign    the same images with sound of another clip                                     shift_frames None   label 0

What is called sound here is there in the file: neither beyond its ends nor silence that was put in. Shifted sound stays inside the
row, so that it is the same voice in the same shot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from syncqc.clock import DEFAULT_W, SAMPLES_PER_IMAGE, WINDOW_IMAGES
from syncqc.errors import ClipError, Failure, UsageError
from syncqc.loaders.index import Segment
from syncqc.loaders.item import Heard, Item, add_pictures, add_sound, empty_item, read_sound, sound_span
from syncqc.loaders.segments import SegmentDataset
from syncqc.loaders.settings import LoaderSettings
from syncqc.manifest.select import MAX_IN_TIME_FRAMES
from syncqc.media.stretch import Start, read_start

Kind = Literal["own", "shifted", "foreign"]
Ints = npt.NDArray[np.int64]

MOUTHS = LoaderSettings(images="none", crops=True)

_TRIES = 5
"""So many other rows are asked for sound before a foreign pair is given up."""


@dataclass(frozen=True)
class PairSettings:
    """Which pairs are drawn.

    Raises:
        UsageError: a value lies outside its range.
    """

    n_images: int = WINDOW_IMAGES
    """Images of a pair; rows that are shorter are left out and counted."""
    own_share: float = 0.5
    """Share of pairs that belong together."""
    foreign_share: float = 0.25
    """Share of pairs with the sound of another clip; the rest is shifted."""
    min_shift_frames: int = MAX_IN_TIME_FRAMES + 1
    """Least shift: less than this counts as in time."""
    max_shift_frames: int = DEFAULT_W
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses what cannot be drawn."""
        if self.n_images < 1:
            raise UsageError(f"n_images must be at least 1, not {self.n_images}")
        if not 1 <= self.min_shift_frames <= self.max_shift_frames:
            raise UsageError(f"shifts must rise from at least 1, not from {self.min_shift_frames} to {self.max_shift_frames}")
        if min(self.own_share, self.foreign_share) < 0 or self.own_share + self.foreign_share > 1:
            raise UsageError(f"shares must be at least 0 and together at most 1, not {self.own_share} and {self.foreign_share}")


class Pair(Item):
    """An item whose sound belongs to its images or does not; `offset_frames` is what its sound's row was put right by."""

    kind: Kind
    label: float
    """1 where picture and sound belong together, else 0."""
    shift_frames: int | None
    """By how many images of 1/25 s the sound comes too early (< 0: too late); None where it is foreign."""
    sound_row: int
    """Number of the row that the sound is of."""
    sound_clip_id: str


class PairDataset(Dataset[Pair | None]):
    """One pair per row and epoch, drawn from seed, epoch and row; None where it cannot be read and is to be skipped.

    A row without room for a shift gives a foreign pair instead of a shifted one.
    """

    def __init__(
        self,
        manifest: Path | str,
        *,
        where: str | None = None,
        settings: LoaderSettings = MOUTHS,
        pairs: PairSettings = PairSettings(),
        tracks: Path | str | None = None,
    ) -> None:
        """The arguments are those of `SegmentDataset`; `n_images` is that of `pairs`.

        Raises:
            UsageError: as there, or the sound is not to be put right, or there is but one clip and foreign sound is asked for.
        """
        if settings.offset == "none":
            raise UsageError("pairs are known only where the sound is put right: offset must be 'clip' or 'row'")
        self.pairs = pairs
        self.data = SegmentDataset(manifest, where=where, settings=replace(settings, n_images=pairs.n_images), tracks=tracks)
        if pairs.own_share < 1 and len(np.unique(self.data.index.clips)) < 2:
            raise UsageError(f"{manifest} holds one clip alone: there is no other that foreign sound could come from")
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, row: int) -> Pair | None:
        return self.pair(row, self.epoch)

    def set_epoch(self, epoch: int) -> None:
        """Pairs are drawn anew; workers that are running keep their epoch."""
        self.epoch = epoch

    def pair(self, row: int, epoch: int) -> Pair | None:
        """The row's pair of that epoch; None where it cannot be read and is to be skipped.

        Raises:
            IndexError: there is no such row.
            ClipError: a file cannot be read or has too little sound, and `on_error` is ``raise``.
        """
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        row %= len(self)
        segment, random = self.data.index[row], np.random.default_rng([self.pairs.seed, epoch, row])
        return self.data.or_none(lambda: self._drawn(row, segment, random), segment)

    def _drawn(self, row: int, segment: Segment, random: np.random.Generator) -> Pair:
        kind = self._kind(segment, random)
        begin = int(random.integers(segment.n_images - self.pairs.n_images + 1))
        item, start = self._pictures(row, segment, begin)
        if kind == "foreign":
            return self._with_foreign_sound(item, random)
        heard = self._row_sound(segment, start)
        begins = self._begins(segment, heard)
        shifts = self._shifts(begin, begins, kind)
        if not len(shifts):
            # No such sound for these images: others of the row may have it.
            places = range(segment.n_images - self.pairs.n_images + 1)
            able = [other for other in places if len(self._shifts(other, begins, kind))]
            if not able:
                raise ClipError(Failure.NO_AUDIO, f"the row has too little sound for a pair of {self.pairs.n_images} images ({kind})")
            begin = int(random.choice(able))
            item, _ = self._pictures(row, segment, begin)
            shifts = self._shifts(begin, begins, kind)
        shift = int(random.choice(shifts))
        add_sound(item, heard, (segment.first_image + begin + shift) * SAMPLES_PER_IMAGE, self.data.settings)
        return Pair(**item, kind=kind, label=float(kind == "own"), shift_frames=shift, sound_row=row, sound_clip_id=segment.clip_id)

    def _kind(self, segment: Segment, random: np.random.Generator) -> Kind:
        drawn = random.random()
        if drawn < self.pairs.own_share:
            return "own"
        has_room = segment.n_images - self.pairs.n_images >= self.pairs.min_shift_frames
        return "shifted" if has_room and drawn >= self.pairs.own_share + self.pairs.foreign_share else "foreign"

    def _pictures(self, row: int, segment: Segment, begin: int) -> tuple[Item, Start]:
        first_image, n = segment.first_image + begin, self.pairs.n_images
        item = empty_item(row, segment, first_image, n)
        return item, add_pictures(item, segment, self.data.settings, self.data.face(segment, first_image, n))

    def _row_sound(self, segment: Segment, start: Start) -> Heard:
        """The sound of the whole row, with as much around it as the stretches at its ends need."""
        lo, hi = sound_span(self.pairs.n_images, self.data.settings)
        first, end = segment.first_image, segment.first_image + segment.n_images - self.pairs.n_images
        return read_sound(segment, start, first * SAMPLES_PER_IMAGE + lo, end * SAMPLES_PER_IMAGE + hi)

    def _begins(self, segment: Segment, heard: Heard) -> Ints:
        """Images of the row, counted from its first one, from which on there is sound for a whole pair."""
        first = segment.first_image * SAMPLES_PER_IMAGE
        _, is_sound = heard.cut(first, first + segment.n_images * SAMPLES_PER_IMAGE)
        missing = np.concatenate([[0], np.cumsum(~is_sound.reshape(segment.n_images, SAMPLES_PER_IMAGE).all(axis=1))])
        n = self.pairs.n_images
        return np.asarray(np.flatnonzero(missing[n:] == missing[:-n]), np.int64)

    def _shifts(self, begin: int, begins: Ints, kind: Kind) -> Ints:
        """The shifts that a pair of these images can have."""
        shifts: Ints = begins - begin
        sizes = np.abs(shifts)
        is_able = sizes == 0 if kind == "own" else (sizes >= self.pairs.min_shift_frames) & (sizes <= self.pairs.max_shift_frames)
        return shifts[is_able]

    def _with_foreign_sound(self, item: Item, random: np.random.Generator) -> Pair:
        clips = self.data.index.clips
        for _ in range(_TRIES):
            row = int(random.integers(len(self)))
            while clips[row] == clips[item["row"]]:
                row = int(random.integers(len(self)))
            segment = self.data.index[row]
            try:
                heard = self._row_sound(segment, read_start(segment.path))
            except ClipError as error:
                raise ClipError(error.failure, f"sound of {segment.audio_path or segment.path}: {error.detail}") from error
            begins = self._begins(segment, heard)
            if len(begins):
                at = (segment.first_image + int(random.choice(begins))) * SAMPLES_PER_IMAGE
                item["offset_frames"] = segment.shift_frames
                add_sound(item, heard, at, self.data.settings)
                return Pair(**item, kind="foreign", label=0.0, shift_frames=None, sound_row=row, sound_clip_id=segment.clip_id)
        raise ClipError(Failure.NO_AUDIO, f"none of {_TRIES} other rows has enough sound")
