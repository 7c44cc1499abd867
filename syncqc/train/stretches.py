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

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from syncqc.clock import IMAGE_RATE_HZ, SAMPLES_PER_IMAGE, WINDOW_CENTRE_IMAGE, WINDOW_IMAGES, n_windows
from syncqc.errors import Failure, UsageError
from syncqc.manifest.row import Clip
from syncqc.measure.probability import best_cosines, probability_at_offset, smooth
from syncqc.measure.settings import MeasureSettings
from syncqc.measure.sync import Sync, measure
from syncqc.media.mel import MelFrontEnd
from syncqc.nets.checkpoint import LoadedNet
from syncqc.stages.find_faces import FindFaces
from syncqc.stages.listen import Listen
from syncqc.stages.part import Part, Sound
from syncqc.stages.read import ReadClip
from syncqc.stages.score import Score
from syncqc.train.hearer import Hearer, Pair
from syncqc.train.other_sound import Strangers, earlier, equally_loud, replaced, runs, turned

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MOST_MOVED_IMAGES = 12
WRONG_SHIFTS = (-10, -5, 5, 10)
"""Images beside the best shift at which nothing belongs together any more."""
LITTLE_SPEECH = "little_speech"
"""Why a track is left out, beside the failures of `errors`."""


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
    replaced_shares: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    """Shares of a track's windows for which another speaker is heard, at its start, in its middle and at its end."""

    def __post_init__(self) -> None:
        """Refuses what the sound that is read does not reach.

        Raises:
            UsageError: a move of 0 or of more than `MOST_MOVED_IMAGES`, or a share that is not above 0 and at most 1.
        """
        for move in (*self.moves, *self.control_moves):
            if not 0 < abs(move) <= MOST_MOVED_IMAGES:
                raise UsageError(f"moves must lie within ±{MOST_MOVED_IMAGES} and not be 0, got {move}")
        for share in self.replaced_shares:
            if not 0 < share <= 1:
                raise UsageError(f"replaced_shares must lie above 0 and not above 1, got {share}")


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

    def logits(self, pair: Pair, found: Sync, at: slice = slice(None)) -> F64:
        """Smoothed cosines over tau in the row of the shift that was found, (n,); NaN where a cell does not count."""
        return np.asarray(self._smoothed(pair, found, at)[found.shift] / self.tau)

    def at_wrong_shifts(self, pair: Pair, found: Sync, at: slice = slice(None)) -> list[float]:
        """`probability_at_offset` at `WRONG_SHIFTS` beside the shift that was found, where the search reaches and something was heard."""
        smoothed = self._smoothed(pair, found, at)
        shifts = [found.shift + by for by in WRONG_SHIFTS if 0 <= found.shift + by < len(smoothed)]
        values = [probability_at_offset(best_cosines(smoothed, shift), self.tau) for shift in shifts]
        return [value for value in values if not math.isnan(value)]

    def _smoothed(self, pair: Pair, found: Sync, at: slice) -> F64:
        """The matrix from which the numbers were found, smoothed."""
        matrix, is_valid = pair if len(found.curve) == len(pair[0]) else self.inner(pair)
        return smooth(matrix[:, at], is_valid[:, at] & np.isfinite(matrix[:, at]), self.measures)


def opened(score: Score) -> LoadedNet:
    """The network of a `Score` that has been opened."""
    assert score._net is not None, "open() comes first"
    return score._net


@dataclass
class Mixture:
    """A track whose sound is somebody else's for a known run of windows, at the track's own offset."""

    pair: Pair
    is_replaced: Bools
    """(n,), whether the image for which the window speaks has the other's sound."""


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
    same_speaker: list[Pair] = field(default_factory=list)
    """The sound of another part of the same speaker."""
    turned: Pair | None = None
    """The own sound turned round by half its length, so that what belongs together is out of reach."""
    mixtures: list[Mixture] = field(default_factory=list)
    speech_ratio: float = 1.0
    """Share of the track in which there is a voice."""


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
    strangers = Strangers()
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
            yield _track_matrices(Hearer(part, score, front_end), (source, speaker), settings, strangers, Measuring.of(score))
            strangers.add(part, speaker)


def _reason(part: Part, score: Score, settings: EvalSettings) -> str | None:
    """Why the part is not judged; None where it is."""
    if part.failure is not None:
        return str(part.failure)
    if n_windows(part.tracks[0].n_images) < score.min_windows:
        return str(Failure.TOO_SHORT)
    return LITTLE_SPEECH if float(str(part.tracks[0].row["speech_ratio"])) < settings.min_speech else None


def _track_matrices(
    hearer: Hearer, who: tuple[str, str], settings: EvalSettings, strangers: Strangers, measuring: Measuring
) -> TrackMatrices:
    """The matrices of a track of (source, speaker) with every sound that the settings ask for."""
    part, (source, speaker) = hearer.part, who
    assert part.mel is not None
    assert part.sound is not None
    out = TrackMatrices(part.clip.clip_id, speaker, source, hearer.beside_mel(part.mel))
    out.speech_ratio = float(str(hearer.track.row["speech_ratio"]))
    out.moved = {move: hearer.beside_sound(earlier(part.sound, move)) for move in settings.moves}
    foreign = strangers.beside(part, speaker, settings.n_foreign)
    out.foreign = [hearer.beside_sound(sound) for sound in foreign]
    out.foreign_moved = {move: hearer.beside_sound(earlier(foreign[0], move)) for move in (settings.control_moves if foreign else ())}
    out.same_speaker = [hearer.beside_sound(sound) for sound in strangers.same(part, speaker, 2 * hearer.w)]
    around = turned(part, 2 * hearer.w)
    out.turned = None if around is None else hearer.beside_sound(around)
    other = equally_loud(foreign[0], part) if foreign else None
    own = measuring(out.own)
    if other is not None and own is not None:
        out.mixtures = [_mixture(hearer, other, own.offset_frames, run) for run in runs(hearer.n_windows, settings.replaced_shares)]
    return out


def _mixture(hearer: Hearer, other: Sound, offset_frames: int, run: tuple[int, int]) -> Mixture:
    """Windows `run` hear the other; where the run begins or ends with the track, so does all that is heard before or after it."""
    assert hearer.part.sound is not None
    # Sound that leads by `offset_frames` is heard so much before its image is seen.
    first_image = hearer.track.first_image + WINDOW_CENTRE_IMAGE - offset_frames
    first, end = (None if window in (0, hearer.n_windows) else (first_image + window) * SAMPLES_PER_IMAGE for window in run)
    is_replaced = np.zeros(hearer.n_windows, np.bool_)
    is_replaced[slice(*run)] = True
    return Mixture(hearer.beside_sound(replaced(hearer.part.sound, other, first, end)), is_replaced)


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
    same_speaker: list[Sync] = field(default_factory=list)
    turned: Sync | None = None
    at_wrong_shifts: list[float] = field(default_factory=list)
    """`probability_at_offset` of the own sound as if the offset lay `WRONG_SHIFTS` beside the one that was found."""


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
    return Stretch(
        track.clip_id,
        track.speaker,
        track.source,
        duration_s,
        own,
        measured(track.moved),
        list(foreign.values()),
        control,
        list(measured(dict(enumerate(track.same_speaker))).values()),
        None if track.turned is None else measuring(track.turned, at),
        measuring.at_wrong_shifts(track.own, own, at),
    )
