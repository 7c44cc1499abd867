"""How good a checkpoint is on clips it never saw: does the offset follow a moved sound, does foreign sound score lower.

Clips in the wild carry offsets of their own, so nothing is judged by its distance from zero: the sound is moved by s images
and the measured offset must move by s. Part of that is reached by listening alone, without a look at the lips: a network that
prefers one vowel follows it wherever it goes. So it is also asked how often the offset follows a foreign sound, in which there is
nothing to find, and whether a stretch has the offset of the rest of its clip (by chance: 3 in 2 w + 1). Knows matrices; writes no file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from syncqc.clock import IMAGE_RATE_HZ, WINDOW_IMAGES
from syncqc.measure.similarity import mean_curve
from syncqc.measure.sync import Sync
from syncqc.train.intervals import auc, auc_interval95, mean, mean_interval95
from syncqc.train.stretches import EvalSettings, Measuring, Stretch, TrackMatrices, stretches

F64 = npt.NDArray[np.float64]
Values = tuple[list[float], list[str]]
"""Numbers, and the speaker of each."""


@dataclass(frozen=True)
class Section:
    """One more thing that an evaluation says, beside the protocol and the figures."""

    key: str
    """Its key in the JSON file, beside ``figures``."""
    title: str
    """Its heading on the page."""
    data: Mapping[str, object]
    """What JSON can hold."""
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]]
    """Title, header and rows of each of its tables, for the page."""
    sentences: Sequence[str] = ()
    """What the terminal says of it, a line each."""
    is_shown: bool = False
    """Whether the terminal shows its tables, too: where they were asked for by name."""


def follows(found: Sequence[Stretch], settings: EvalSettings) -> Values:
    """For each (stretch, move) whether the offset moved by as much as the sound, within the tolerance."""
    return _follows([(stretch.speaker, {0: stretch.own, **stretch.moved}) for stretch in found], settings)


def foreign_follows(found: Sequence[Stretch], settings: EvalSettings) -> Values:
    """The same with foreign sound: what is reached by listening alone."""
    return _follows([(stretch.speaker, stretch.control) for stretch in found], settings)


def _follows(measured: Sequence[tuple[str, Mapping[int, Sync]]], settings: EvalSettings) -> Values:
    hits = [
        (abs(sync.offset_frames - by_move[0].offset_frames - move) <= settings.tolerance_images, speaker)
        for speaker, by_move in measured
        for move, sync in by_move.items()
        if move
    ]
    return _values(hits)


def clip_follows(found: Sequence[Stretch], settings: EvalSettings) -> Values:
    """The same for whole clips: the offset of a clip is where the curves of its stretches together are highest."""
    hits = []
    for parts in _by_clip(found):
        own = _pooled_offset([part.own for part in parts])
        for move in settings.moves:
            moved = [part.moved[move] for part in parts if move in part.moved]
            if moved:
                hits.append((abs(_pooled_offset(moved) - own - move) <= settings.tolerance_images, parts[0].speaker))
    return _values(hits)


def agrees_with_clip(found: Sequence[Stretch], settings: EvalSettings) -> Values:
    """For each stretch whether its own offset is that of the clip's other stretches together; clips of one stretch are left out."""
    hits = []
    for parts in _by_clip(found):
        if len(parts) < 2:
            continue
        sums, behind = _weighted([part.own for part in parts])
        total, n = sums.sum(axis=0), behind.sum(axis=0)
        for i, part in enumerate(parts):
            others = _best_offset(total - sums[i], n - behind[i])
            hits.append((abs(part.own.offset_frames - others) <= settings.tolerance_images, part.speaker))
    return _values(hits)


def foreign_lower(found: Sequence[Stretch]) -> Values:
    """For each foreign sound whether its probability at offset is lower than that of the stretch's own."""
    return _values([(f.probability_at_offset < s.own.probability_at_offset, s.speaker) for s in found for f in s.foreign])


def own_and_foreign(found: Sequence[Stretch]) -> tuple[Values, Values]:
    """Probabilities at offset of stretches with their own sound, and with foreign sound, of those that have both."""
    both = [stretch for stretch in found if stretch.foreign]
    own = _values([(s.own.probability_at_offset, s.speaker) for s in both])
    return own, _values([(f.probability_at_offset, s.speaker) for s in both for f in s.foreign])


def window_accuracy(tracks: Sequence[TrackMatrices], k: int, measuring: Measuring, settings: EvalSettings) -> Values:
    """For each track the share of windows whose best shift within w is the track's own, the mean over K - 4 windows judged.

    Source: the protocol of SyncNet, Perfect Match and VocaLiST, around the track's own offset in place of zero.
    """
    shares = []
    width = k - WINDOW_IMAGES + 1
    for track in tracks:
        matrix, is_valid = measuring.inner(track.own)
        curve = mean_curve(matrix, is_valid, measuring.measures)
        if np.isnan(curve).all() or matrix.shape[1] < width:
            continue
        # A place with a cell that does not count is below every place without.
        filled = np.where(is_valid, matrix, -2.0).astype(np.float64)
        sums = np.cumsum(np.pad(filled, ((0, 0), (1, 0))), axis=1)
        best = (sums[:, width:] - sums[:, :-width]).argmax(axis=0)
        shares.append((float((np.abs(best - int(np.nanargmax(curve))) <= settings.tolerance_images).mean()), track.speaker))
    return _values(shares)


def figures(tracks: Sequence[TrackMatrices], measuring: Measuring, settings: EvalSettings) -> dict[str, object]:
    """Everything above in one dictionary that JSON can hold, over all sources and per source where sources have names."""
    groups: dict[str, list[TrackMatrices]] = defaultdict(list)
    for track in tracks:
        groups[track.source].append(track)
    named = {f"{name} (source)" if name == "all" else name: group for name, group in sorted(groups.items()) if name}
    return {name: _figures(group, measuring, settings) for name, group in {"all": tracks, **named}.items()}


def _figures(tracks: Sequence[TrackMatrices], measuring: Measuring, settings: EvalSettings) -> dict[str, object]:
    accuracy = {f"K={k}": window_accuracy(tracks, k, measuring, settings) for k in settings.k}
    rows = stretches(tracks, None, measuring)
    by_duration = [
        {"duration_s": duration, **_of_stretches(stretches(tracks, duration, measuring), settings)} for duration in settings.durations_s
    ]
    return {
        "n_tracks": len(tracks),
        "n_clips": len({t.clip_id for t in tracks}),
        "n_speakers": len({t.speaker for t in tracks}),
        "window_accuracy": {name: mean(values) for name, (values, _) in accuracy.items()},
        "window_accuracy_interval95": {name: mean_interval95(*values) for name, values in accuracy.items()},
        "rows": {"median_duration_s": _median_s(rows), **_of_stretches(rows, settings)},
        "by_duration": by_duration,
    }


def _of_stretches(found: Sequence[Stretch], settings: EvalSettings) -> dict[str, object]:
    out: dict[str, object] = {"n_stretches": len(found), "n_clips": len({s.clip_id for s in found})}
    for name, values in (
        ("offset_follows_rows", follows(found, settings)),
        ("offset_follows_clips", clip_follows(found, settings)),
        ("foreign_follows_rows", foreign_follows(found, settings)),
        ("offset_agrees_with_clip", agrees_with_clip(found, settings)),
        ("foreign_lower_share", foreign_lower(found)),
    ):
        out |= {name: mean(values[0]), f"{name}_interval95": mean_interval95(*values)}
    own, foreign = own_and_foreign(found)
    return out | {"foreign_auc": auc(own[0], foreign[0]), "foreign_auc_interval95": auc_interval95(*own, *foreign)}


def _median_s(rows: Sequence[Stretch]) -> float | None:
    return round(float(np.median([row.duration_s for row in rows])) * IMAGE_RATE_HZ) / IMAGE_RATE_HZ if rows else None


def _values(pairs: Sequence[tuple[float, str]]) -> Values:
    return [float(value) for value, _ in pairs], [speaker for _, speaker in pairs]


def _by_clip(found: Sequence[Stretch]) -> list[list[Stretch]]:
    clips: dict[str, list[Stretch]] = defaultdict(list)
    for stretch in found:
        clips[stretch.clip_id].append(stretch)
    return list(clips.values())


def _pooled_offset(parts: Sequence[Sync]) -> int:
    sums, behind = _weighted(parts)
    return _best_offset(sums.sum(axis=0), behind.sum(axis=0))


def _weighted(parts: Sequence[Sync]) -> tuple[F64, F64]:
    """Curves times windows, and the windows behind each shift, both (parts, 2 reach + 1); 0 where a part has no value.

    The reach is that of the part that was searched least far: a shift that only some parts know could not be compared.
    """
    reach = min(len(part.curve) // 2 for part in parts)
    curves = np.stack([part.curve[len(part.curve) // 2 - reach :][: 2 * reach + 1] for part in parts])
    n = np.array([part.n_windows for part in parts])[:, None]
    return np.nan_to_num(curves) * n, ~np.isnan(curves) * n.astype(np.float64)


def _best_offset(sums: F64, behind: F64) -> int:
    """The offset with the highest mean, of the shifts with at least half as many windows as any."""
    means = np.where(behind >= behind.max() / 2, sums / np.maximum(behind, 1), -np.inf)
    return len(means) // 2 - int(means.argmax())
