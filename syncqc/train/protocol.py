"""The field's protocol: of 31 shifts of the sound, is the best one the true one, asked at every window of every clip.

::

    K = 5    one window of 5 images        the mean of 1 window
    K = 9    |-----|                       the mean of 5 windows, each an image later
              |-----| ...

`strict` and `vocalist` differ in three things:

* windows: all; or those of min(images, whole images of sound) - 5, which leaves the last one out
* candidates: a shift counts for a window when its central 16 columns lie inside the sound; or when its sound window is one of the clip's
  windows, except that in the first 15 windows the shifts beyond the last window stay, filled with silence (clips under 30 windows)
* means: over exactly K - 4 windows; or over those of them that the clip has

A place is judged where the truth itself is a candidate. The truth is an offset of zero, which holds for sets that were put in time;
clips in the wild carry their own offset, so the same is asked around the offset that the whole clip has. Macro is the mean over clips,
micro over windows. Knows matrices; writes no file.

Source: SyncNet, Perfect Match and VocaLiST; IC-SyncNet §5.1.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from syncqc.clock import WINDOW_IMAGES, offset_of_shift, shift_of_offset
from syncqc.measure.offset import best_shift
from syncqc.measure.similarity import mean_curve
from syncqc.train.intervals import mean, mean_interval95
from syncqc.train.stretches import EvalSettings, Measuring
from syncqc.train.whole_clips import WholeClip

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ProtocolName = Literal["strict", "vocalist"]
DEFAULT_PROTOCOL: ProtocolName = "strict"
TRUTHS = ("around_zero", "around_own_offset")


@dataclass(frozen=True)
class Cells:
    """The windows of one clip as a protocol takes them."""

    cosines: F64
    """(2 w + 1, n), finite."""
    is_candidate: Bools
    """(2 w + 1, n)."""
    is_seen: Bools
    """(n,); a window that is not seen is in no mean."""


@dataclass(frozen=True)
class Judged:
    """How many places of one clip were judged, how many are right, and how many would be by chance."""

    n: int
    n_right: int
    n_right_by_chance: float


@dataclass(frozen=True)
class ClipFigures:
    """One clip at every K and for each truth."""

    speaker: str
    source: str
    n_windows: int
    own_offset_frames: int | None
    """The checkpoint's zero taken off; None where too few windows have sound."""
    judged: Mapping[str, Mapping[int, Judged]]
    """By truth and K."""


def cells(clip: WholeClip, name: ProtocolName) -> Cells:
    """The cells of a clip's matrix that the protocol looks at."""
    if name == "strict":
        is_candidate = clip.has_sound & np.isfinite(clip.cosines)
        return Cells(np.where(is_candidate, clip.cosines, 0).astype(np.float64), is_candidate, clip.is_seen)
    w = len(clip.cosines) // 2
    n = max(0, min(clip.n_images, clip.n_heard_images) - WINDOW_IMAGES)
    window = np.arange(n)
    sound_window = window + np.arange(-w, w + 1)[:, None]
    is_beyond = (sound_window >= n) & (window < w)
    cosines = np.where(is_beyond, clip.with_silence[:n], clip.cosines[:, :n])
    is_candidate = (((sound_window >= 0) & (sound_window < n)) | is_beyond) & np.isfinite(cosines)
    return Cells(np.where(is_candidate, cosines, 0).astype(np.float64), is_candidate, clip.is_seen[:n])


def means(given: Cells, k: int, is_truncated: bool) -> Cells:
    """Means over K - 4 consecutive windows around each window, (2 w + 1, n); a shift that one of them lacks is no candidate.

    Where the clip does not have all of them, the mean is over those it has, or, unless `is_truncated`, the place is not seen.
    """
    width = k - WINDOW_IMAGES + 1
    sums = _sliding(given.cosines, width)
    n_candidates = _sliding(given.is_candidate.astype(np.int64), width)
    n_seen = _sliding(given.is_seen.astype(np.int64)[None], width)[0]
    is_seen = given.is_seen & (n_seen >= (1 if is_truncated else width))
    return Cells(sums / np.maximum(n_seen, 1), (n_candidates == n_seen) & is_seen, is_seen)


def _sliding(values: npt.NDArray[np.generic], width: int) -> F64:
    """Sums over `width` (odd) places around each place of each row; beyond the ends there is nothing."""
    kernel = np.ones(width)
    return np.stack([np.convolve(row, kernel)[width // 2 :][: values.shape[1]] for row in values.astype(np.float64)])


def judge(given: Cells, true_shift: int, tolerance: int) -> Judged:
    """Places where the best candidate is within `tolerance` of the true shift, of those where the true shift is a candidate."""
    places = np.flatnonzero(given.is_candidate[true_shift])
    is_candidate = given.is_candidate[:, places]
    best = np.where(is_candidate, given.cosines[:, places], -np.inf).argmax(axis=0)
    near = is_candidate[max(0, true_shift - tolerance) : true_shift + tolerance + 1]
    return Judged(
        n=len(places),
        n_right=int((np.abs(best - true_shift) <= tolerance).sum()),
        n_right_by_chance=float((near.sum(axis=0) / is_candidate.sum(axis=0)).sum()),
    )


def clip_figures(clip: WholeClip, name: ProtocolName, measuring: Measuring, settings: EvalSettings, zero_offset_frames: int) -> ClipFigures:
    """One clip by the protocol, around zero and around the offset at which its mean curve is highest."""
    w = len(clip.cosines) // 2
    taken = cells(clip, name)
    own = best_shift(mean_curve(clip.cosines, clip.has_sound & np.isfinite(clip.cosines), measuring.measures))
    truths = {"around_zero": shift_of_offset(zero_offset_frames, w), "around_own_offset": own}
    by_k = {k: means(taken, k, is_truncated=name == "vocalist") for k in settings.k} if taken.is_seen.any() else {}
    return ClipFigures(
        speaker=clip.speaker,
        source=clip.source,
        n_windows=len(taken.is_seen),
        own_offset_frames=None if own is None else offset_of_shift(own, w) - zero_offset_frames,
        judged={
            truth: {} if shift is None else {k: judge(smoothed, shift, settings.tolerance_images) for k, smoothed in by_k.items()}
            for truth, shift in truths.items()
        },
    )


def protocol_figures(
    clips: Sequence[WholeClip],
    name: ProtocolName,
    measuring: Measuring,
    settings: EvalSettings,
    zero_offset_frames: int,
    left_out: Mapping[str, int],
) -> dict[str, object]:
    """The protocol's table in one dictionary that JSON can hold: over all clips, per source and per speaker, sorted by name.

    Sources and speakers without a name have no table of their own. `left_out` are the clips in which nothing could be judged, by reason.
    """
    found = [clip_figures(clip, name, measuring, settings, zero_offset_frames) for clip in clips]
    return {
        "name": name,
        "w": measuring.w,
        "tolerance_images": settings.tolerance_images,
        "zero_offset_frames": zero_offset_frames,
        "clips_left_out": dict(left_out),
        "all": _group(found, settings.k),
        "by_source": _groups(found, settings.k, lambda one: one.source),
        "by_speaker": _groups(found, settings.k, lambda one: one.speaker),
    }


def _groups(found: Sequence[ClipFigures], ks: Sequence[int], key: Callable[[ClipFigures], str]) -> dict[str, object]:
    groups: dict[str, list[ClipFigures]] = defaultdict(list)
    for one in found:
        groups[key(one)].append(one)
    return {name: _group(group, ks) for name, group in sorted(groups.items()) if name}


def _group(found: Sequence[ClipFigures], ks: Sequence[int]) -> dict[str, object]:
    offsets = Counter(one.own_offset_frames for one in found if one.own_offset_frames is not None)
    return {
        "n_clips": len(found),
        "n_speakers": len({one.speaker for one in found}),
        "n_windows": sum(one.n_windows for one in found),
        "own_offsets": {str(offset): n for offset, n in sorted(offsets.items())},
        **{truth: {f"K={k}": _cell(found, truth, k) for k in ks} for truth in TRUTHS},
    }


def _cell(found: Sequence[ClipFigures], truth: str, k: int) -> dict[str, object]:
    """Accuracy and chance over clips and over windows; every share None where nothing was judged."""
    judged = [(one.judged[truth][k], one.speaker) for one in found if k in one.judged[truth] and one.judged[truth][k].n]
    n = sum(one.n for one, _ in judged)
    shares = [one.n_right / one.n for one, _ in judged]
    speakers = [speaker for _, speaker in judged]
    return {
        "n_clips": len(judged),
        "n_windows": n,
        "macro": mean(shares),
        "macro_interval95": mean_interval95(shares, speakers),
        "micro": sum(one.n_right for one, _ in judged) / n if n else None,
        "micro_interval95": _micro_interval95(judged),
        "chance_macro": mean([one.n_right_by_chance / one.n for one, _ in judged]),
        "chance_micro": sum(one.n_right_by_chance for one, _ in judged) / n if n else None,
    }


def _micro_interval95(judged: Sequence[tuple[Judged, str]]) -> list[float] | None:
    if len({speaker for _, speaker in judged}) < 2:
        return None
    hits = np.concatenate([np.arange(one.n) < one.n_right for one, _ in judged]).astype(np.float64)
    speakers = np.repeat([speaker for _, speaker in judged], [one.n for one, _ in judged])
    return mean_interval95(hits.tolist(), speakers.tolist())
