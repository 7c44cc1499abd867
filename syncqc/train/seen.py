"""Undisturbed clips, seen and heard once, kept so that a disturbance costs only what it changes.

::

    kept of a clip    its whole sound, the embeddings of it, its parts
    kept of a row     the embeddings of its face, its foreign sounds, its numbers

A row is the largest face of a part, as in `stretches`; the numbers are read as `Score` reads them. Knows the stages, and no disturbance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from syncqc.clock import SAMPLES_PER_IMAGE, n_windows
from syncqc.errors import ClipError, Failure
from syncqc.faces.turn import yaw_deg
from syncqc.manifest.row import Clip
from syncqc.measure.similarity import similarity_matrix, validity
from syncqc.measure.sync import Sync
from syncqc.media.disturb import ClipFile, clip_file
from syncqc.media.mel import MelFrontEnd, mel_columns, reach
from syncqc.media.video import image_scale, read_images
from syncqc.stages.find_faces import FindFaces
from syncqc.stages.listen import Listen
from syncqc.stages.part import Mel, Part, Sound, Track
from syncqc.stages.read import ReadClip, mel_span, together
from syncqc.stages.score import Score
from syncqc.train.effect_figures import Numbers, TurnedRow
from syncqc.train.other_sound import cut, earlier
from syncqc.train.stretches import LITTLE_SPEECH, Measuring, opened

F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

_LEAST_COVERED = 0.95


@dataclass(frozen=True)
class Heard:
    """The embeddings of a stretch of sound, on the clip's clock."""

    embeddings: F32
    """(n, d)."""
    has_sound: Bools
    first_window: int

    def at(self, first_window: int, n: int) -> tuple[F32, Bools]:
        """Embeddings (n, d) from a window on, and which of them have sound; none where the stretch does not reach."""
        out, has_sound = np.zeros((n, self.embeddings.shape[1]), np.float32), np.zeros(n, np.bool_)
        lo, hi = max(first_window, self.first_window), min(first_window + n, self.first_window + len(self.embeddings))
        if hi > lo:
            out[lo - first_window : hi - first_window] = self.embeddings[lo - self.first_window : hi - self.first_window]
            has_sound[lo - first_window : hi - first_window] = self.has_sound[lo - self.first_window : hi - self.first_window]
        return out, has_sound


@dataclass(frozen=True)
class Face:
    """The embeddings of a face track, (n, d), from window `first_window` on."""

    embeddings: F32
    first_window: int


@dataclass
class SeenRow:
    """One row of the undisturbed clip."""

    part: int
    face: Face
    yaw_deg: float
    numbers: Numbers = field(default_factory=lambda: Numbers(None))
    halves: tuple[Sync, Sync] | None = None
    strangers: list[tuple[SeenClip, int]] = field(default_factory=list)
    """Clips whose sound is the row's foreign sound, and the image of theirs that is laid beside the part's first."""
    foreign: list[Heard] = field(default_factory=list)


@dataclass(eq=False)
class SeenClip:
    """One undisturbed clip."""

    clip: Clip
    speaker: str
    file: ClipFile
    sound: Sound
    """All of it, as far as any row hears."""
    heard: Heard
    parts: list[tuple[int, int]]
    """First image and number of images of every part."""
    face_width_px: float = 0.0
    rows: list[SeenRow] = field(default_factory=list)


class Observer:
    """What sees and hears: an opened network with a face detector."""

    def __init__(self, score: Score, detector: str, min_speech: float) -> None:
        net = opened(score)
        self._score, self._min_speech = score, min_speech
        self._front_end = MelFrontEnd(**(net.header.mel or {}))
        self._read = ReadClip(w=score.w)
        self._find = FindFaces(detector=detector, crop_height_px=net.crop_height_px, crop_width_px=net.crop_width_px)
        self._listen = Listen(w=score.w, front_end=self._front_end)
        self._measuring = Measuring.of(score)
        self._find.open()
        self._listen.open()

    def see(self, clips: Iterable[tuple[Clip, str]], left_out: Counter[str]) -> Iterator[SeenClip]:
        """The clips, given with their speakers, that have a row to judge; `left_out` counts the other parts by reason."""
        for clip, speaker in clips:
            parts = []
            for part in self._read(clip):
                self._find([part])
                part.images = None
                if part.failure is None:
                    self._listen([part])
                    part.mel = None
                parts.append(part)
            seen = self._seen(clip, speaker, parts, left_out)
            if seen is not None and seen.rows:
                yield seen

    def _seen(self, clip: Clip, speaker: str, parts: list[Part], left_out: Counter[str]) -> SeenClip | None:
        usable = [part for part in parts if not self._is_left_out(part, left_out)]
        if not usable:
            return None
        try:
            file = clip_file(clip.path, clip.audio_path)
            sound = self.listen(file)
        except ClipError as error:
            left_out[str(error.failure)] += len(usable)
            return None
        heard = self.hear(sound, 0, file.facts.n_images)
        seen = SeenClip(clip, speaker, file, sound, heard, [(part.first_image, part.n_images) for part in parts])
        for part in usable:
            row = SeenRow(part.part_index, self.look(part.tracks[0]), float(np.median(yaw_deg(part.tracks[0].landmarks_px))))
            own = self.measured(row.face, heard)
            if own is None:
                left_out[str(Failure.NO_AUDIO)] += 1
                continue
            row.numbers, row.halves = Numbers(own), self._halves(row.face, heard)
            seen.rows.append(row)
        seen.face_width_px = float(np.median([float(str(part.tracks[0].row["face_width_px"])) for part in usable]))
        return seen

    def _is_left_out(self, part: Part, left_out: Counter[str]) -> bool:
        reason = str(part.failure) if part.failure is not None else self.too_short(part)
        if reason is None and float(str(part.tracks[0].row["speech_ratio"])) < self._min_speech:
            reason = LITTLE_SPEECH
        left_out.update([reason] if reason else [])
        return reason is not None

    def too_short(self, part: Part) -> str | None:
        """The failure of a part whose main face is there for too few images; None where it is long enough."""
        return str(Failure.TOO_SHORT) if n_windows(part.tracks[0].n_images) < self._score.min_windows else None

    def listen(self, file: ClipFile) -> Sound:
        """The whole sound of a file, as far around its images as any shift reaches."""
        first, end = reach(*mel_span(0, file.facts.n_images, 2 * self._score.w))
        samples, is_present = file.sound(first, end)
        return Sound(samples, first, is_present)

    def hear(self, sound: Sound, first_image: int, n_images: int) -> Heard:
        """The embeddings of the sound beside these images and as far around them as any shift reaches."""
        first_column, n_columns = mel_span(first_image, n_images, 2 * self._score.w)
        within = cut(sound, *reach(first_column, n_columns))
        mel = Mel(*_columns(within, first_column, self._front_end))
        first_window = first_image - 2 * self._score.w
        return Heard(*self._score.embed_audio(mel, first_window, n_windows(n_images) + 4 * self._score.w), first_window)

    def look(self, track: Track) -> Face:
        """The embeddings of a face track."""
        return Face(self._score.embed_video(track.crops), track.first_image)

    def tracked(self, clip: Clip, file: ClipFile, parts: Sequence[tuple[int, int]]) -> Iterator[Part]:
        """The parts of a file that is read in the parts of another one, with their faces; each with its failure where it has one."""
        images = read_images(file.path, file.facts, self._read.max_short_side_px)
        for index, (first_image, n_images) in enumerate(parts):
            part = Part(clip, index, len(parts), first_image, n_images)
            part.image_scale = image_scale(file.facts, self._read.max_short_side_px)
            try:
                part.images = together(images, n_images)
            except ClipError as error:
                part.fail(error.failure, error.detail)
            if part.images is None:
                part.fail(Failure.UNREADABLE, "no picture can be decoded")
            else:
                part.n_images = len(part.images)
                self._find([part])
                part.images = None
            yield part

    def measured(self, face: Face, heard: Heard, at: slice = slice(None)) -> Sync | None:
        """The numbers of the windows `at` of a face with this sound; None where they could not be measured."""
        reach_windows = 2 * self._score.w
        audio, has_sound = heard.at(face.first_window - reach_windows, len(face.embeddings) + 2 * reach_windows)
        pair = np.asarray(similarity_matrix(face.embeddings, audio), np.float32), validity(has_sound, reach_windows)
        return self._measuring(pair, at)

    def _halves(self, face: Face, heard: Heard) -> tuple[Sync, Sync] | None:
        """The numbers of both halves, which share no image; None where one is too short or has too little sound."""
        n_images = len(face.embeddings) + 4
        length = n_windows(n_images // 2)
        if length < self._score.min_windows:
            return None
        first, second = (self.measured(face, heard, at) for at in (slice(0, length), slice(len(face.embeddings) - length, None)))
        return None if first is None or second is None else (first, second)


def _columns(within: Sound, first_column: int, front_end: MelFrontEnd) -> tuple[F32, int, Bools]:
    columns, is_present = mel_columns(within.samples, within.is_present, front_end)
    return columns, first_column, is_present


def give_strangers(clips: Sequence[SeenClip], observer: Observer, n_foreign: int) -> None:
    """Every row has up to `n_foreign` foreign sounds, from rows of other speakers after it in the list, and its numbers with them.

    A stranger's sound covers the row's own; who lends it is the same whatever is disturbed.
    """
    everyone = [(clip, row) for clip in clips for row in clip.rows]
    for turn, (clip, row) in enumerate(everyone):
        for other, lent in everyone[turn + 1 :] + everyone[:turn]:
            if len(row.strangers) == n_foreign:
                break
            if other.speaker == clip.speaker or any(other is taken for taken, _ in row.strangers):
                continue
            stranger = other, other.parts[lent.part][0]
            first_image, n_images = clip.parts[row.part]
            within = slice(first_image * SAMPLES_PER_IMAGE, (first_image + n_images) * SAMPLES_PER_IMAGE)
            laid = foreign_sound(clip.sound, other.sound, stranger[1] - first_image)
            own = cut(clip.sound, within.start, within.stop).is_present.sum()
            if cut(laid, within.start, within.stop).is_present.sum() >= _LEAST_COVERED * own:
                row.strangers.append(stranger)
                row.foreign.append(observer.hear(laid, first_image, n_images))
        found = [observer.measured(row.face, heard) for heard in row.foreign]
        row.numbers = Numbers(row.numbers.own, [sync for sync in found if sync is not None])


def foreign_sound(own: Sound, other: Sound, earlier_by_images: int) -> Sound:
    """The other sound, so many images earlier, where the own sound is present."""
    laid = cut(earlier(other, earlier_by_images), own.first_sample, own.first_sample + len(own.samples))
    is_present = laid.is_present & own.is_present
    return Sound(laid.samples * is_present, own.first_sample, is_present)


def turned_rows(clips: Sequence[SeenClip]) -> list[TurnedRow]:
    """All rows with how far the head is turned."""
    return [TurnedRow(clip.speaker, row.yaw_deg, row.numbers, row.halves) for clip in clips for row in clip.rows]
