"""Face tracks with their own sound, with that sound moved, and with somebody else's, cut into stretches and measured.

::

    picture          |  image 0  |  image 1  |  image 2  | ...
    own sound        |  s0       |  s1       |  s2       | ...
    moved by +1      |  s1       |  s2       |  s3       | ...     earlier: the measured offset rises by 1
    foreign          |  t0       |  t1       |  t2       | ...     another speaker, masked where the own sound is missing

The sound is moved as samples, before the mel. Matrices reach to 2 w, and a stretch is read as `Score` reads a track. Knows the
stages; writes no file.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from syncqc.clock import IMAGE_RATE_HZ, SAMPLES_PER_IMAGE, WINDOW_IMAGES, n_windows
from syncqc.errors import Failure, UsageError
from syncqc.manifest.row import Clip
from syncqc.measure.settings import MeasureSettings
from syncqc.measure.similarity import similarity_matrix, validity
from syncqc.measure.sync import Sync, measure
from syncqc.media.mel import MelFrontEnd, mel_columns, reach
from syncqc.nets.checkpoint import LoadedNet
from syncqc.stages.find_faces import FindFaces
from syncqc.stages.listen import Listen
from syncqc.stages.part import Mel, Part, Sound, Track
from syncqc.stages.read import ReadClip, mel_span
from syncqc.stages.score import Score

F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Pair = tuple[F32, Bools]

MOST_MOVED_IMAGES = 12
LITTLE_SPEECH = "little_speech"
"""Why a track is left out, beside the failures of `errors`."""
_KEPT_SPEAKERS, _KEPT_PARTS = 4, 2
_LEAST_COVERED = 0.95


@dataclass(frozen=True)
class EvalSettings:
    """What is asked of a checkpoint."""

    moves: tuple[int, ...] = (-9, -6, -3, 3, 6, 9)
    """By how many images the sound is moved; > 0 makes it earlier."""
    control_moves: tuple[int, ...] = (-6, 6)
    """The same for foreign sound."""
    durations_s: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
    tolerance_images: int = 1
    k: tuple[int, ...] = (5, 7, 9, 11, 13, 15)
    """Images seen at once: the mean of K - 4 consecutive windows is judged."""
    min_speech: float = 0.5
    """Tracks with less voice are left out, and lend no foreign sound."""
    n_foreign: int = 2
    """Foreign sounds per track."""

    def __post_init__(self) -> None:
        """Refuses what the sound that is read does not reach.

        Raises:
            UsageError: a move of 0 or of more than `MOST_MOVED_IMAGES`.
        """
        for move in (*self.moves, *self.control_moves):
            if not 0 < abs(move) <= MOST_MOVED_IMAGES:
                raise UsageError(f"moves must lie within ±{MOST_MOVED_IMAGES} and not be 0, got {move}")


@dataclass(frozen=True)
class Measuring:
    """How `Score` reads a matrix, so that a figure speaks of what ``syncqc score`` says."""

    tau: float
    w: int
    measures: MeasureSettings

    @classmethod
    def of(cls, score: Score) -> Measuring:
        """The temperature and the settings of an opened `Score`."""
        return cls(opened(score).header.tau, score.w, score.thresholds)

    def inner(self, pair: Pair) -> Pair:
        """The 2 w + 1 middle rows of a matrix of 4 w + 1 rows."""
        rows = slice(self.w, 3 * self.w + 1)
        return pair[0][rows], pair[1][rows]

    def __call__(self, pair: Pair, at: slice = slice(None)) -> Sync | None:
        """The numbers of the windows `at`, the checkpoint's zero not taken off; where the best shift is the edge, from all 4 w + 1 rows."""
        whole = pair[0][:, at], pair[1][:, at]
        found = measure(*self.inner(whole), self.tau, settings=self.measures)
        if found is not None and found.is_offset_at_edge:
            return measure(*whole, self.tau, settings=self.measures)
        return found


def opened(score: Score) -> LoadedNet:
    """The network of a `Score` that has been opened."""
    assert score._net is not None, "open() comes first"
    return score._net


@dataclass
class TrackMatrices:
    """One face track with its own sound, its own sound moved, and somebody else's."""

    clip_id: str
    speaker: str
    source: str
    own: Pair
    """Cosines and which of them count, each (4 w + 1, n)."""
    moved: dict[int, Pair] = field(default_factory=dict)
    foreign: list[Pair] = field(default_factory=list)
    foreign_moved: dict[int, Pair] = field(default_factory=dict)
    """The first foreign sound, moved."""


def matrices(
    clips: Iterable[tuple[Clip, str, str]], score: Score, detector: str, settings: EvalSettings, left_out: Counter[str]
) -> Iterator[TrackMatrices]:
    """The matrices of the main face track of every part of every (clip, source, speaker); `left_out` counts the other parts by reason.

    Foreign sound comes from parts of other speakers shortly before, as long as the own sound; the first speaker has none.
    """
    net = opened(score)
    front_end = MelFrontEnd(**(net.header.mel or {}))
    # Sound for shifts of up to 2 w, after a move.
    read = ReadClip(w=score.w + -(-MOST_MOVED_IMAGES // 2))
    find = FindFaces(detector=detector, crop_height_px=net.crop_height_px, crop_width_px=net.crop_width_px)
    listen = Listen(w=score.w, front_end=front_end)
    find.open()
    listen.open()
    strangers = _Strangers()
    for clip, source, speaker in clips:
        for part in read(clip):
            find([part])
            part.images = None
            if part.failure is None:
                listen([part])
            reason = _reason(part, score, settings)
            if reason is not None:
                left_out[reason] += 1
                continue
            yield _track_matrices(part, (source, speaker), score, front_end, settings, strangers.beside(part, speaker, settings.n_foreign))
            strangers.add(part, speaker)


def _reason(part: Part, score: Score, settings: EvalSettings) -> str | None:
    """Why the part is not judged; None where it is."""
    if part.failure is not None:
        return str(part.failure)
    if n_windows(part.tracks[0].n_images) < score.min_windows:
        return str(Failure.TOO_SHORT)
    return LITTLE_SPEECH if float(str(part.tracks[0].row["speech_ratio"])) < settings.min_speech else None


def _track_matrices(
    part: Part, who: tuple[str, str], score: Score, front_end: MelFrontEnd, settings: EvalSettings, foreign: list[Sound]
) -> TrackMatrices:
    assert part.mel is not None
    assert part.sound is not None
    track = part.tracks[0]
    video = score.embed_video(track.crops)
    out = TrackMatrices(part.clip.clip_id, who[1], who[0], _pair(score, track, video, part.mel))
    for move in settings.moves:
        out.moved[move] = _pair(score, track, video, _heard(part, earlier(part.sound, move), score.w, front_end))
    out.foreign = [_pair(score, track, video, _heard(part, sound, score.w, front_end)) for sound in foreign]
    for move in settings.control_moves if foreign else ():
        out.foreign_moved[move] = _pair(score, track, video, _heard(part, earlier(foreign[0], move), score.w, front_end))
    return out


def earlier(sound: Sound, images: int) -> Sound:
    """The sound so many images earlier on the clip's clock; it is what a larger offset looks like."""
    return Sound(sound.samples, sound.first_sample - images * SAMPLES_PER_IMAGE, sound.is_present)


def _heard(part: Part, sound: Sound, w: int, front_end: MelFrontEnd) -> Mel:
    """What `Listen` would make of the part if it sounded like this."""
    first_column, n_columns = mel_span(part.first_image, part.n_images, 2 * w)
    first, end = reach(first_column, n_columns)
    cut = _cut(sound, first, end)
    columns, is_present = mel_columns(cut.samples, cut.is_present, front_end)
    return Mel(columns, first_column, is_present)


def _cut(sound: Sound, first: int, end: int) -> Sound:
    """Samples [first, end) of the sound; not present where it does not reach."""
    samples, is_present = np.zeros(end - first, np.float32), np.zeros(end - first, np.bool_)
    lo, hi = max(first, sound.first_sample), min(end, sound.first_sample + len(sound.samples))
    if hi > lo:
        samples[lo - first : hi - first] = sound.samples[lo - sound.first_sample : hi - sound.first_sample]
        is_present[lo - first : hi - first] = sound.is_present[lo - sound.first_sample : hi - sound.first_sample]
    return Sound(samples, first, is_present)


def _pair(score: Score, track: Track, video: F32, mel: Mel) -> Pair:
    audio, has_sound = score.embed_audio(mel, track.first_image - 2 * score.w, len(video) + 4 * score.w)
    return np.asarray(similarity_matrix(video, audio), np.float32), validity(has_sound, 2 * score.w)


class _Strangers:
    """The sound of the last parts of the last few speakers."""

    def __init__(self) -> None:
        self._parts: OrderedDict[str, deque[Part]] = OrderedDict()

    def add(self, part: Part, speaker: str) -> None:
        """Keeps the part's sound; its pictures and tracks go."""
        kept = self._parts.setdefault(speaker, deque(maxlen=_KEPT_PARTS))
        kept.append(Part(part.clip, part.part_index, part.n_parts, part.first_image, part.n_images, sound=part.sound))
        self._parts.move_to_end(speaker)
        while len(self._parts) > _KEPT_SPEAKERS:
            self._parts.popitem(last=False)

    def beside(self, part: Part, speaker: str, n: int) -> list[Sound]:
        """Up to `n` sounds of others laid beside the part, those that reach farthest first, of equal ones the latest of each speaker.

        Where the part's own sound is missing they are as well: a foreign sound is not to be told by its length.
        """
        assert part.sound is not None
        begin = part.first_image * SAMPLES_PER_IMAGE - part.sound.first_sample
        within = slice(begin, begin + part.n_images * SAMPLES_PER_IMAGE)
        own = part.sound.is_present
        found = []
        others = [parts for who, parts in reversed(self._parts.items()) if who != speaker]
        for other in (parts[-1 - age] for age in range(_KEPT_PARTS) for parts in others if age < len(parts)):
            assert other.sound is not None
            laid = earlier(other.sound, other.first_image - part.first_image)
            laid = _cut(laid, part.sound.first_sample, part.sound.first_sample + len(own))
            laid.is_present &= own
            laid.samples *= laid.is_present
            if laid.is_present[within].sum() >= _LEAST_COVERED * own[within].sum():
                found.append(laid)
        return sorted(found, key=lambda laid: -int(laid.is_present.sum()))[:n]


@dataclass(frozen=True)
class Stretch:
    """One stretch of a track: its numbers with its own, moved and foreign sound."""

    clip_id: str
    speaker: str
    source: str
    duration_s: float
    own: Sync
    moved: dict[int, Sync]
    foreign: list[Sync]
    control: dict[int, Sync]
    """The first foreign sound as it is (0) and moved; empty where it could not be measured."""


def stretches(tracks: Iterable[TrackMatrices], duration_s: float | None, measuring: Measuring) -> list[Stretch]:
    """Stretches of `duration_s` that share no image, as many as each track holds; None for each track as a whole, as rows are."""
    found = []
    for track in tracks:
        n = track.own[0].shape[1]
        n_images = n + WINDOW_IMAGES - 1 if duration_s is None else round(duration_s * IMAGE_RATE_HZ)
        length = n if duration_s is None else n_windows(n_images)
        for start in range(0, n - length + 1, n_images):
            stretch = _stretch(track, slice(start, start + length), n_images / IMAGE_RATE_HZ, measuring)
            if stretch is not None:
                found.append(stretch)
    return found


def _stretch(track: TrackMatrices, at: slice, duration_s: float, measuring: Measuring) -> Stretch | None:
    def measured(pairs: Mapping[int, Pair]) -> dict[int, Sync]:
        return {key: sync for key, pair in pairs.items() if (sync := measuring(pair, at)) is not None}

    own = measuring(track.own, at)
    if own is None:
        return None
    foreign = measured(dict(enumerate(track.foreign)))
    control = {0: foreign[0], **measured(track.foreign_moved)} if 0 in foreign else {}
    return Stretch(track.clip_id, track.speaker, track.source, duration_s, own, measured(track.moved), list(foreign.values()), control)
