"""One card of a contact sheet: a row's numbers in words, its mouths as one small picture, and its curves as paths to draw.

Knows a row and what was read of its files; no manifest, no template. Texts are as they came: the page escapes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from syncqc.clock import IMAGE_RATE_HZ, WINDOW_CENTRE_IMAGE
from syncqc.report.html import data_url
from syncqc.report.sheet_media import N_BARS, Seen
from syncqc.report.words import offset_in_words, shortened, signed_offset

MAX_URL_BYTES = 8_000
_QUALITIES = (82, 70, 55, 40, 25)
_GAP_PX = 3
_NAME_CHARACTERS = 42
DOUBTFUL_P = 0.5
"""Below this lips and sound hardly agree at any offset, and the offset says little."""
F64 = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Fact:
    """One number with its name."""

    label: str
    value: str


@dataclass(frozen=True)
class Drawing:
    """A path to draw and one sentence that stands for it."""

    path: str
    says: str
    width: float
    """Of the path's own coordinates, from 0."""
    mark: float | None = None
    """A place on the same axis that is marked."""
    zero: float | None = None
    """Where 0 is on the same axis."""


@dataclass(frozen=True)
class Card:
    """What is shown of one row."""

    clip_id: str
    name: str
    """The clip_id, shortened in the middle."""
    where: str
    """Part, face and time."""
    who: str
    """Dataset, or the manifest where it names none, and speaker."""
    manifest: str
    headline: str
    """The offset in words."""
    facts: tuple[Fact, ...]
    mouths: str | None = None
    """A data URL."""
    why_no_mouths: str | None = None
    """None also where none were asked for."""
    mouths_says: str = ""
    mouths_width_px: int = 0
    mouths_height_px: int = 0
    sound: Drawing | None = None
    probability: Drawing | None = None
    onscreen: Drawing | None = None
    curve: Drawing | None = None
    curve_ends: tuple[str, str] = ("", "")
    """What the left and the right end of the curve stand for."""
    notes: tuple[str, ...] = ()
    """What is not shown and why, and what must be known of what is."""

    @property
    def n_bytes(self) -> int:
        """Size of its picture and paths in the page."""
        drawings = (self.sound, self.probability, self.onscreen, self.curve)
        return len(self.mouths or "") + sum(len(drawing.path) for drawing in drawings if drawing is not None)


def card_of(row: Mapping[str, Any], manifest: str, seen: Seen, span: tuple[float, float]) -> Card:
    """The card of a measured row; `span` are the cosines that the curve's picture spans."""
    url, n, size = (None, 0, (0, 0)) if seen.mouths is None else _mouths(seen.mouths)
    time = _time(row)
    return Card(
        clip_id=row["clip_id"],
        name=shortened(row["clip_id"], _NAME_CHARACTERS),
        where=_where(row, time),
        who=" · ".join(shortened(name, _NAME_CHARACTERS) for name in (row["dataset"] or manifest, row["speaker"]) if name),
        manifest=manifest,
        headline=_headline(row),
        facts=_facts(row),
        mouths=url,
        why_no_mouths=seen.why_no_mouths,
        mouths_says=f"{_number_word(n)} mouth crops of {shortened(row['clip_id'], _NAME_CHARACTERS)}, {time}",
        mouths_height_px=size[0],
        mouths_width_px=size[1],
        sound=None if seen.peaks is None else _sound(seen.peaks),
        probability=None if seen.probability is None else _probability(seen.probability, row),
        onscreen=_onscreen(row),
        curve=_curve(row, span),
        curve_ends=_curve_ends(row),
        notes=_notes(row, seen),
    )


def _headline(row: Mapping[str, Any]) -> str:
    said = offset_in_words(row["offset_frames"])
    if row["is_offset_at_edge"]:
        said += ", or more: the edge of the search"
    return f"Doubtful: {said}" if row["probability_at_offset"] < DOUBTFUL_P else said[0].upper() + said[1:]


def _facts(row: Mapping[str, Any]) -> tuple[Fact, ...]:
    found = [
        ("p at offset", _decimals(row["probability_at_offset"])),
        ("p in sync", _decimals(row["probability_in_sync"])),
        ("offset", f"{row['offset_frames']:+d}" if row["offset_frames"] else "0"),
        ("margin", _decimals(row["margin"])),
        ("offscreen", _share(row["offscreen_ratio"])),
        ("speech", _share(row["speech_ratio"])),
        ("stands still", _share(row["frozen_ratio"]) if row["frozen_ratio"] else None),
        ("face", None if row["face_width_px"] is None else f"{row['face_width_px']:.0f} px wide"),
        ("dropped by", row["dropped_by"]),
    ]
    return tuple(Fact(label, value) for label, value in found if value is not None)


def _notes(row: Mapping[str, Any], seen: Seen) -> tuple[str, ...]:
    missing = {"mouths": seen.why_no_mouths, "waveform": seen.why_no_sound, "probability over time": seen.why_no_probability}
    whys = [why for why in missing.values() if why is not None]
    if len(whys) > 1 and len(set(whys)) == 1:
        missing = {" and no ".join(name for name, why in missing.items() if why is not None): whys[0]}
    notes = [f"Coding: {row['leak_video_reason']}."] if row["leak_video"] and row["leak_video_reason"] else []
    notes += [f"No {name}: {why}." for name, why in missing.items() if why is not None]
    if row["resynced_path"] is not None or row["resynced_audio_path"] is not None:
        moved = signed_offset(row["resync_shift_frames"] or 0)
        notes.append(f"The numbers are from before resync, which delayed the sound by {moved}; pictures and sound are from after it.")
    return tuple(notes)


def _mouths(mouths: npt.NDArray[np.uint8]) -> tuple[str, int, tuple[int, int]]:
    """The crops side by side as a data URL of at most `MAX_URL_BYTES`, their number, and the picture's height and width."""
    n, height, width, _ = mouths.shape
    strip = np.full((height, n * (width + _GAP_PX) - _GAP_PX, 3), 128, np.uint8)
    for i, mouth in enumerate(mouths):
        strip[:, i * (width + _GAP_PX) : i * (width + _GAP_PX) + width] = mouth
    while True:
        for quality in _QUALITIES:
            found, encoded = cv2.imencode(".webp", cv2.cvtColor(strip, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, quality])
            if not found:
                raise RuntimeError("OpenCV cannot write WebP")
            url = data_url(encoded.tobytes(), "image/webp")
            if len(url) <= MAX_URL_BYTES:
                return url, n, (strip.shape[0], strip.shape[1])
        strip = np.asarray(cv2.resize(strip, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


def _sound(peaks: npt.NDArray[np.float32]) -> Drawing:
    """One upright stroke per piece, as high as its peak against the row's own; none where the file has no sound."""
    top = float(np.nanmax(peaks))
    heights = np.zeros(len(peaks)) if top <= 0 else np.nan_to_num(peaks / top, nan=-1.0)
    strokes = [f"M{i}.5 {20 - high}v{2 * high + 1}" for i, high in enumerate(np.rint(heights * 19).astype(int).tolist()) if high >= 0]
    loudness = "digital silence" if top <= 0 else f"its loudest sample is at {20 * np.log10(top):.0f} dB of full scale"
    return Drawing("".join(strokes), f"Waveform of the sound as it lies in the file; {loudness}", N_BARS)


def _probability(probability: F64, row: Mapping[str, Any]) -> Drawing:
    """The area under the probability of each window, over the row's images; windows that were not measured are left open."""
    path, is_open = [], False
    for window, p in enumerate(probability.tolist()):
        if np.isnan(p):
            path.append("V100z" if is_open else "")
            is_open = False
            continue
        path.append(f"V{round(100 * (1 - p))}h1" if is_open else f"M{window + WINDOW_CENTRE_IMAGE} 100V{round(100 * (1 - p))}h1")
        is_open = True
    path.append("V100z" if is_open else "")
    measured = probability[~np.isnan(probability)]
    span = f", from {measured.min():.2f} to {measured.max():.2f}" if len(measured) else ""
    return Drawing("".join(path), f"Probability at the measured offset over the time of the row{span}", row["n_images"])


def _onscreen(row: Mapping[str, Any]) -> Drawing | None:
    """A bar for each stretch in which the face is the speaker."""
    if row["onscreen"] is None:
        return None
    bars = []
    for stretch in row["onscreen"]:
        begin = round((stretch["start_s"] - row["start_s"]) * IMAGE_RATE_HZ)
        n = round((stretch["end_s"] - stretch["start_s"]) * IMAGE_RATE_HZ)
        bars.append(f"M{begin} 0h{n}v1h-{n}z")
    spans = ", ".join(f"{one['start_s']:.1f} to {one['end_s']:.1f} s" for one in row["onscreen"][:8])
    more = " and more" if len(row["onscreen"]) > 8 else ""
    return Drawing("".join(bars), f"The face is the speaker {'from ' + spans + more if spans else 'at no time'}", row["n_images"])


def curve_span(rows: Iterable[Mapping[str, Any]]) -> tuple[float, float]:
    """The cosines from the least to the greatest of the rows' curves, in tenths."""
    values = [value for row in rows for value in row["similarity"] or () if value is not None]
    return (math.floor(10 * min(values)) / 10, math.ceil(10 * max(values)) / 10) if values else (0.0, 1.0)


def _curve(row: Mapping[str, Any], span: tuple[float, float]) -> Drawing | None:
    """Mean cosine per offset, late sound on the left; broken where a shift was not measured."""
    curve = row["similarity"]
    if not curve:
        return None
    values = curve[::-1]  # row r of the curve stands for offset w - r - zero
    w = len(values) // 2
    path, is_open = [], False
    for x, value in enumerate(values):
        if value is None:
            is_open = False
            continue
        share = (value - span[0]) / max(span[1] - span[0], 1e-6)
        path.append(f"{'L' if is_open else 'M'}{x} {round(100 * (1 - share))}")
        is_open = True
    best = row["offset_frames"]
    zero = w + _zero(row)
    says = f"Mean similarity at offsets from {-zero} to {len(values) - 1 - zero} images, the highest at {best}"
    return Drawing("".join(path), says, len(values) - 1, mark=best + zero, zero=zero if 0 <= zero < len(values) else None)


def _zero(row: Mapping[str, Any]) -> int:
    """What the checkpoint reads on clips in sync: where the curve is highest, against the offset of which that was taken off."""
    curve = row["similarity"]
    best = max((r for r, value in enumerate(curve) if value is not None), key=lambda r: curve[r], default=None)
    return 0 if best is None else len(curve) // 2 - best - int(row["offset_frames"])


def _curve_ends(row: Mapping[str, Any]) -> tuple[str, str]:
    if not row["similarity"]:
        return "", ""
    zero = len(row["similarity"]) // 2 + _zero(row)
    return f"{-zero} late", f"early +{len(row['similarity']) - 1 - zero}"


def _where(row: Mapping[str, Any], time: str) -> str:
    part = f"part {(row['part_index'] or 0) + 1} of {row['n_parts'] or 1}"
    n_faces = row["n_tracks"] or 0
    return f"{part}, {f'one of {n_faces} faces, ' if n_faces > 1 else ''}{time}"


def _time(row: Mapping[str, Any]) -> str:
    return f"{row['start_s'] or 0:.2f} to {row['end_s'] or 0:.2f} s"


def _number_word(n: int) -> str:
    return {1: "One", 2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six"}.get(n, str(n))


def _decimals(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def _share(value: float | None) -> str | None:
    return None if value is None else f"{100 * value:.0f}\N{NO-BREAK SPACE}%"
