"""Whole clips: every window of the main face beside the sound at every shift, across the borders of parts.

::

    parts            |      0      |      1      |      2      |     read and looked at as `syncqc score` does
    main face        |  ###########|#############|####    #####|     one chain of tracks; a hole or a cut breaks it
    windows          |  ######################### #     #      |     seen where all five images are in one piece

Crops and sound are joined before the network sees them, so that a window on a border is a window like any other; only the landmarks
are smoothed for each part by itself. Knows the stages; judges nothing and writes no file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from syncqc.clock import ALIGNED_MEL, SAMPLES_PER_IMAGE, WINDOW_IMAGES, WINDOW_MEL, first_mel_column, n_windows
from syncqc.errors import Failure
from syncqc.faces.detector import overlap
from syncqc.manifest.row import Clip
from syncqc.measure.similarity import similarity_matrix, validity
from syncqc.media.mel import MelFrontEnd, mel_columns, reach
from syncqc.stages.find_faces import FindFaces
from syncqc.stages.part import Mel, Part, Sound, Track
from syncqc.stages.read import ReadClip, mel_span
from syncqc.stages.score import Score
from syncqc.train.stretches import opened

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

_MOST_HOLE_IMAGES = 25
"""A face that comes back later than this is another track."""
_LEAST_OVERLAP = 0.3
"""Of the last box before a border or a hole with the first one after it."""
_WINDOWS_AT_ONCE = 500
"""Bounds memory; changes no number."""


@dataclass
class WholeClip:
    """What the network says of the main face of one clip; n is the number of windows of the whole clip, n_images - 4."""

    clip_id: str
    speaker: str
    source: str
    cosines: F32
    """(2 w + 1, n), NaN for windows in which the face is not seen."""
    has_sound: Bools
    """(2 w + 1, n), whether the central 16 columns of the cell lie inside the file's sound."""
    is_seen: Bools
    """(n,), whether the face is on all five images."""
    with_silence: F32
    """(n,), cosine of the window with a window of digital silence."""
    n_images: int
    n_heard_images: int
    """Whole images from the clip's zero to the end of its sound."""


def whole_clips(clips: Iterable[tuple[Clip, str, str]], score: Score, detector: str, left_out: Counter[str]) -> Iterator[WholeClip]:
    """The matrices of every (clip, source, speaker) with a face and a window to judge; `left_out` counts the other clips by reason.

    Clips without speech are not left out. The reason is the failure of the clip's first part.
    """
    net = opened(score)
    read = ReadClip(w=score.w)
    find = FindFaces(detector=detector, crop_height_px=net.crop_height_px, crop_width_px=net.crop_width_px)
    find.open()
    for clip, source, speaker in clips:
        parts, n_images = [], 0
        for part in read(clip):
            if part.images is not None:
                n_images = part.first_image + len(part.images)
            find([part])
            part.images = None
            parts.append(part)
        found = whole_clip(parts, n_images, score, source, speaker)
        if isinstance(found, WholeClip):
            yield found
        else:
            left_out[str(found)] += 1


def whole_clip(parts: Sequence[Part], n_images: int, score: Score, source: str, speaker: str) -> WholeClip | Failure:
    """The matrix of one clip from all its parts, faces found, or why there is none: the failure of its first part.

    `n_images` are those that could be decoded, `parts` hold the sound for shifts of up to w around them.
    """
    pieces = [piece for piece in main_face(parts) if len(piece[1]) >= WINDOW_IMAGES]
    if not pieces:
        return parts[0].failure or Failure.TOO_SHORT
    n = n_windows(n_images)
    seen = [found for piece in pieces for found in _seen(score, *piece)]
    video = np.zeros((n, seen[0][1].shape[1]), np.float32)
    is_seen = np.zeros(n, np.bool_)
    for first, vectors in seen:
        video[first : first + len(vectors)] = vectors
        is_seen[first : first + len(vectors)] = True
    sounds = [part.sound for part in parts if part.sound is not None]
    audio, has_sound = _heard(score, sounds, -score.w, n + 2 * score.w)
    silence = np.repeat(_silence(score), n, axis=0)
    return WholeClip(
        clip_id=parts[0].clip.clip_id,
        speaker=speaker,
        source=source,
        cosines=np.asarray(similarity_matrix(video, audio), np.float32),
        has_sound=validity(has_sound, score.w),
        is_seen=is_seen,
        with_silence=np.asarray(similarity_matrix(video, silence)[0], np.float32),
        n_images=n_images,
        n_heard_images=_n_heard_images(sounds),
    )


def main_face(parts: Sequence[Part]) -> list[tuple[int, U8]]:
    """The clip's main face in pieces (first image, crops) without holes or cuts, in order; empty where there is no face.

    It is the chain of tracks with the largest sum of box area times images, each of which begins where the one before it was last
    seen: at most 25 images later, with boxes that overlap by 0.3 or more.
    """
    tracks = sorted(((part.part_index, track) for part in parts for track in part.tracks), key=lambda item: item[1].first_image)
    weights: list[float] = []
    before: list[int | None] = []
    for i, (_, track) in enumerate(tracks):
        linked = [j for j in range(i) if _goes_on(tracks[j][1], track)]
        best = max(linked, key=lambda j: weights[j], default=None)
        weights.append(_size(track) + (0.0 if best is None else weights[best]))
        before.append(best)
    at = max(range(len(tracks)), key=lambda i: weights[i], default=None)
    chain: list[tuple[int, Track]] = []
    while at is not None:
        chain.insert(0, tracks[at])
        at = before[at]
    return _pieces(chain)


def _goes_on(one: Track, other: Track) -> bool:
    hole = other.first_image - one.first_image - one.n_images
    return 0 <= hole <= _MOST_HOLE_IMAGES and float(overlap(one.boxes_px[-1], other.boxes_px[:1])[0]) >= _LEAST_OVERLAP


def _size(track: Track) -> float:
    return float(np.prod(track.boxes_px[:, 2:] - track.boxes_px[:, :2], axis=1).mean()) * track.n_images


def _pieces(chain: Sequence[tuple[int, Track]]) -> list[tuple[int, U8]]:
    """Tracks that touch at the border of two parts are one piece; two that touch inside a part have a cut between them."""
    pieces: list[tuple[int, list[U8]]] = []
    end, part_before = -1, -1
    for part_index, track in chain:
        if track.first_image == end and part_index != part_before:
            pieces[-1][1].append(track.crops)
        else:
            pieces.append((track.first_image, [track.crops]))
        end, part_before = track.first_image + track.n_images, part_index
    return [(first, np.concatenate(crops)) for first, crops in pieces]


def _seen(score: Score, first: int, crops: U8) -> Iterator[tuple[int, F32]]:
    """Embeddings of the windows of a piece as (first window, vectors)."""
    for start in range(0, n_windows(len(crops)), _WINDOWS_AT_ONCE):
        yield first + start, score.embed_video(crops[start : start + _WINDOWS_AT_ONCE + WINDOW_IMAGES - 1])


def _heard(score: Score, sounds: Sequence[Sound], first: int, n: int) -> tuple[F32, Bools]:
    """Embeddings of the sound of windows first ... first + n - 1, and which of them have sound."""
    front_end = MelFrontEnd(**(opened(score).header.mel or {}))
    vectors, has_sound = [], []
    for start in range(first, first + n, _WINDOWS_AT_ONCE):
        count = min(_WINDOWS_AT_ONCE, first + n - start)
        column, n_columns = mel_span(start, count, 0)
        columns, is_present = mel_columns(*_cut(sounds, *reach(column, n_columns)), front_end)
        embedded, is_there = score.embed_audio(Mel(columns, column, is_present), start, count)
        vectors.append(embedded)
        has_sound.append(is_there)
    return np.concatenate(vectors), np.concatenate(has_sound)


def _cut(sounds: Sequence[Sound], first: int, end: int) -> tuple[F32, Bools]:
    """Samples [first, end) from parts whose sounds overlap; not present where none reaches."""
    samples, is_present = np.zeros(end - first, np.float32), np.zeros(end - first, np.bool_)
    for sound in sounds:
        lo, hi = max(first, sound.first_sample), min(end, sound.first_sample + len(sound.samples))
        if hi > lo:
            here, there = slice(lo - first, hi - first), slice(lo - sound.first_sample, hi - sound.first_sample)
            samples[here], is_present[here] = sound.samples[there], sound.is_present[there]
    return samples, is_present


def _silence(score: Score) -> F32:
    """The embedding (1, d) of a window of silence."""
    net = opened(score)
    front_end = MelFrontEnd(**(net.header.mel or {}))
    first, end = reach(0, WINDOW_MEL + ALIGNED_MEL)
    columns, is_present = mel_columns(np.zeros(end - first, np.float32), np.zeros(end - first, np.bool_), front_end)
    return score.embed_audio(Mel(columns, first_mel_column(0, net.header.mel_rounding), is_present), 0, 1)[0]


def _n_heard_images(sounds: Sequence[Sound]) -> int:
    ends = [sound.first_sample + int(np.flatnonzero(sound.is_present)[-1]) + 1 for sound in sounds if sound.is_present.any()]
    return max(0, max(ends, default=0) // SAMPLES_PER_IMAGE)
