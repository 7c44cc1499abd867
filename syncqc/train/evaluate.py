"""How good a checkpoint is on clips it never saw: does the offset follow a moved sound, does foreign sound score lower.

Clips in the wild carry offsets of their own, so nothing is judged by its distance from zero: the sound is moved by s images
(as samples, before the mel) and the measured offset must move by s. Knows the stages; writes no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from syncqc.clock import IMAGE_RATE_HZ, SAMPLES_PER_IMAGE, WINDOW_IMAGES, n_windows
from syncqc.manifest.row import Clip
from syncqc.measure.similarity import mean_curve, similarity_matrix, validity
from syncqc.measure.sync import Sync, measure
from syncqc.stages.find_faces import FindFaces
from syncqc.stages.listen import Listen
from syncqc.stages.part import Part, Sound, Track
from syncqc.stages.read import ReadClip
from syncqc.stages.score import Score

F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

MOST_MOVED_IMAGES = 12


@dataclass(frozen=True)
class EvalSettings:
    """What is asked of a checkpoint."""

    moves: tuple[int, ...] = (-9, -6, -3, 3, 6, 9)
    """By how many images the sound is moved; > 0 makes it earlier."""
    durations_s: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
    tolerance_images: int = 1
    k: tuple[int, ...] = (5, 7, 9, 11, 13, 15)
    """Images seen at once: the mean of K - 4 consecutive windows is judged."""
    min_speech: float = 0.5
    """Stretches with less voice are left out."""


@dataclass
class TrackMatrices:
    """One face track with its own sound, its own sound moved, and somebody else's."""

    clip_id: str
    speaker: str
    source: str
    speech_ratio: float
    own: tuple[F32, Bools]
    """Cosines and which of them count, each (2 w + 1, n)."""
    moved: dict[int, tuple[F32, Bools]] = field(default_factory=dict)
    foreign: list[tuple[F32, Bools]] = field(default_factory=list)


def matrices(clips: Iterable[tuple[Clip, str, str]], score: Score, detector: str, settings: EvalSettings) -> Iterator[TrackMatrices]:
    """The matrices of the main face track of every part of every (clip, source, speaker).

    Foreign sound is that of the two parts before it that belong to other speakers.
    """
    assert score._net is not None, "open() comes first"
    network = score._net
    read = ReadClip(w=score.w + MOST_MOVED_IMAGES)
    find = FindFaces(detector=detector, crop_height_px=network.crop_height_px, crop_width_px=network.crop_width_px)
    listen = Listen(w=score.w)
    find.open()
    listen.open()
    others: list[tuple[str, Part]] = []
    for clip, source, speaker in clips:
        for part in read(clip):
            find([part])
            part.images = None
            if part.failure is not None or not part.tracks:
                continue
            track = part.tracks[0]
            if n_windows(track.n_images) < score.min_windows:
                continue
            video = score.embed_video(track.crops)
            own = _matrix(score, listen, part, track, video, part.sound)
            out = TrackMatrices(clip.clip_id, speaker, source, float(str(track.row["speech_ratio"])), own)
            for move in settings.moves:
                out.moved[move] = _matrix(score, listen, part, track, video, earlier(part.sound, move))
            strangers = [other for who, other in others if who != speaker][-2:]
            out.foreign = [_matrix(score, listen, part, track, video, _rebased(other, part)) for other in strangers]
            others = [*others, (speaker, replace(part, tracks=[]))][-8:]
            yield out


def earlier(sound: Sound | None, images: int) -> Sound:
    """The sound so many images earlier on the clip's clock; it is what a larger offset looks like."""
    assert sound is not None
    return replace(sound, first_sample=sound.first_sample - images * SAMPLES_PER_IMAGE)


def _rebased(other: Part, part: Part) -> Sound:
    assert other.sound is not None
    return replace(other.sound, first_sample=other.sound.first_sample + (part.first_image - other.first_image) * SAMPLES_PER_IMAGE)


def _matrix(score: Score, listen: Listen, part: Part, track: Track, video: F32, sound: Sound | None) -> tuple[F32, Bools]:
    """Cosines and validity of the track with this sound, cut or filled to what `Listen` needs."""
    assert sound is not None
    assert part.sound is not None
    first, n = part.sound.first_sample, len(part.sound.samples)
    samples, present = np.zeros(n, np.float32), np.zeros(n, np.bool_)
    lo, hi = max(first, sound.first_sample), min(first + n, sound.first_sample + len(sound.samples))
    if hi > lo:
        samples[lo - first : hi - first] = sound.samples[lo - sound.first_sample : hi - sound.first_sample]
        present[lo - first : hi - first] = sound.is_present[lo - sound.first_sample : hi - sound.first_sample]
    heard = listen([replace(part, sound=Sound(samples, first, present), tracks=[track], row={})])[0]
    assert heard.mel is not None
    audio, has_sound = score.embed_audio(heard.mel, track.first_image - score.w, len(video) + 2 * score.w)
    return np.asarray(similarity_matrix(video, audio), np.float32), validity(has_sound, score.w)


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


def stretches(tracks: Iterable[TrackMatrices], duration_s: float, tau: float, settings: EvalSettings) -> list[Stretch]:
    """Stretches of `duration_s` without overlap, as many as each track holds, where there is enough voice."""
    length = round(duration_s * IMAGE_RATE_HZ) - WINDOW_IMAGES + 1
    found = []
    for track in tracks:
        n = track.own[0].shape[1]
        for start in range(0, n - length + 1, length):
            at = slice(start, start + length)
            own = _measure(track.own, at, tau)
            if own is None or track.speech_ratio < settings.min_speech:
                continue
            moved = {move: sync for move, pair in track.moved.items() if (sync := _measure(pair, at, tau)) is not None}
            foreign = [sync for pair in track.foreign if (sync := _measure(pair, at, tau)) is not None]
            found.append(Stretch(track.clip_id, track.speaker, track.source, duration_s, own, moved, foreign))
    return found


def _measure(pair: tuple[F32, Bools], at: slice, tau: float) -> Sync | None:
    return measure(pair[0][:, at], pair[1][:, at], tau)


def follow_share(found: Sequence[Stretch], settings: EvalSettings) -> float | None:
    """Share of (stretch, move) pairs whose offset moved by as much as the sound, within the tolerance; None without any."""
    hits = [
        abs(sync.offset_frames - stretch.own.offset_frames - move) <= settings.tolerance_images
        for stretch in found
        for move, sync in stretch.moved.items()
    ]
    return float(np.mean(hits)) if hits else None


def clip_follow_share(found: Sequence[Stretch], settings: EvalSettings) -> float | None:
    """The same for whole clips: the offset of a clip is where the summed curves of its stretches are highest."""
    by_clip: dict[str, list[Stretch]] = {}
    for stretch in found:
        by_clip.setdefault(stretch.clip_id, []).append(stretch)
    hits = []
    for parts in by_clip.values():
        own = _pooled_offset([part.own for part in parts])
        for move in settings.moves:
            moved = [part.moved[move] for part in parts if move in part.moved]
            if moved:
                hits.append(abs(_pooled_offset(moved) - own - move) <= settings.tolerance_images)
    return float(np.mean(hits)) if hits else None


def _pooled_offset(parts: Sequence[Sync]) -> int:
    total = np.sum([np.nan_to_num(part.curve, nan=-1.0) * part.n_windows for part in parts], axis=0)
    return (len(total) // 2) - int(total.argmax())


def foreign_auc(found: Sequence[Stretch]) -> float | None:
    """Chance that a stretch with its own sound has a higher probability at offset than one with foreign sound; None without any."""
    own = np.array([s.own.probability_at_offset for s in found])
    foreign = np.array([f.probability_at_offset for s in found for f in s.foreign])
    if not len(own) or not len(foreign):
        return None
    return float((own[:, None] > foreign[None, :]).mean() + 0.5 * (own[:, None] == foreign[None, :]).mean())


def foreign_pairs(found: Sequence[Stretch]) -> float | None:
    """Share of pairs in which foreign sound gets the lower probability than the stretch's own; None without any."""
    hits = [f.probability_at_offset < s.own.probability_at_offset for s in found for f in s.foreign]
    return float(np.mean(hits)) if hits else None


def window_accuracy(tracks: Iterable[TrackMatrices], k: int, settings: EvalSettings) -> float | None:
    """Share of windows whose best shift lies within 1 of the track's own offset, the mean over K - 4 windows judged; macro over tracks.

    Source: the protocol of SyncNet, Perfect Match and VocaLiST, around the clip's own offset in place of zero.
    """
    shares = []
    width = k - WINDOW_IMAGES + 1
    for track in tracks:
        matrix, is_valid = track.own
        curve = mean_curve(matrix, is_valid)
        if np.isnan(curve).all() or track.speech_ratio < settings.min_speech or matrix.shape[1] < width:
            continue
        filled = np.where(is_valid, matrix, -2.0)
        sums = np.cumsum(np.pad(filled, ((0, 0), (1, 0))), axis=1)
        best = (sums[:, width:] - sums[:, :-width]).argmax(axis=0)
        shares.append(float((np.abs(best - int(np.nanargmax(curve))) <= settings.tolerance_images).mean()))
    return float(np.mean(shares)) if shares else None


def figures(tracks: Sequence[TrackMatrices], tau: float, settings: EvalSettings) -> dict[str, object]:
    """Everything above in one dictionary that JSON can hold, over all sources and per source."""
    groups = {"all": list(tracks)}
    for track in tracks:
        groups.setdefault(track.source, []).append(track)
    return {name: _figures(group, tau, settings) for name, group in groups.items()}


def _figures(tracks: Sequence[TrackMatrices], tau: float, settings: EvalSettings) -> dict[str, object]:
    by_duration = []
    for duration in settings.durations_s:
        found = stretches(tracks, duration, tau, settings)
        by_duration.append(
            {
                "duration_s": duration,
                "n_stretches": len(found),
                "n_clips": len({s.clip_id for s in found}),
                "offset_follows_rows": follow_share(found, settings),
                "offset_follows_clips": clip_follow_share(found, settings),
                "foreign_auc": foreign_auc(found),
                "foreign_lower_share": foreign_pairs(found),
            }
        )
    return {
        "n_tracks": len(tracks),
        "n_clips": len({t.clip_id for t in tracks}),
        "n_speakers": len({t.speaker for t in tracks}),
        "window_accuracy": {f"K={k}": window_accuracy(tracks, k, settings) for k in settings.k},
        "by_duration": by_duration,
    }
