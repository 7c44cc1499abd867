"""Contact sheets: a few clips of each kind to look at, best, worst and doubtful ones, with their mouths, their sound and their numbers.

The rows are chosen in one pass over each manifest; only the files of those that are shown are opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from syncqc.errors import UsageError
from syncqc.manifest.where import in_sql, query
from syncqc.report.sheet_card import Card, card_of, curve_span
from syncqc.report.sheet_media import Cutter, Seen, in_time
from syncqc.report.sheet_pool import Candidate, Pool, pools
from syncqc.report.sheet_rules import FRONTAL_DEG, RULES, SheetRule
from syncqc.report.sheet_strip import Strips

Row = Mapping[str, Any]

_COLUMNS = (
    "clip_id", "path", "audio_path", "audio_start_s", "dataset", "speaker", "part_index", "n_parts", "track_index", "start_s", "end_s",
    "n_images", "n_tracks", "offset_frames", "is_offset_at_edge", "margin", "probability_at_offset", "probability_in_sync",
    "offscreen_ratio", "onscreen", "similarity", "n_windows", "speech_ratio", "frozen_ratio", "face_width_px", "leak_video",
    "leak_video_reason", "dropped_by", "resync_shift_frames", "resync_pad_s", "resynced_path", "resynced_audio_path",
)  # fmt: skip
_LOOKED_AT = 4
"""Where heads must be frontal, so many times as many rows are looked at as can be shown."""


@dataclass(frozen=True)
class SheetSettings:
    """How many cards there are and what they show.

    Raises:
        UsageError: a value is out of its range.
    """

    n_cards: int = 60
    """In all sheets together; each gets the same share, as far as there are so many clips of its kind."""
    seed: int = 0
    """Of the draw; the same seed gives the same clips."""
    n_mouths: int = 5
    """Mouths per card, evenly over the row's time."""
    has_media: bool = True
    """False: no clip is opened and no face is shown, and of a clip_id only the last name."""
    moved: tuple[tuple[str, str], ...] = ()
    """Folders that are elsewhere than when the manifest was made, each as (then, now)."""
    card_limit_s: float = 10.0
    """Time to read one card's files."""
    limit_s: float = 120.0
    """Time to read the files of all cards."""
    n_threads: int = 2
    """Clips that are read at a time."""

    def __post_init__(self) -> None:
        """Refuses what cannot be."""
        for name in ("n_cards", "n_mouths", "n_threads"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("card_limit_s", "limit_s"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be above 0, not {getattr(self, name)}")


@dataclass(frozen=True)
class Sheet:
    """The cards of one kind; none where no clip is of this kind."""

    name: str
    title: str
    says: str
    """By which rule they were chosen, and how many rows meet it."""
    cards: tuple[Card, ...]
    notes: tuple[str, ...] = ()
    """What all of its cards lack, and why."""


def sheets(manifests: Sequence[Path], settings: SheetSettings = SheetSettings()) -> tuple[Sheet, ...]:
    """A sheet per rule of `sheet_rules`, in their order, with no clip twice in one of them.

    Raises:
        UsageError: no manifest, or rows that are not sorted by clip_id.
    """
    manifests = list(dict.fromkeys(manifests))
    found = pools(manifests, settings.seed)
    lines = {rule.name: found[rule.name].in_turn() for rule in RULES}
    shares = _shares({name: len(line) for name, line in lines.items()}, settings.n_cards)
    shown = {rule.name: lines[rule.name][: shares[rule.name] * (_LOOKED_AT if rule.is_frontal else 1)] for rule in RULES}
    maker = _Maker(manifests, [one for line in shown.values() for one in line], settings)
    turned: dict[str, str] = {}
    for rule in RULES:
        if rule.is_frontal:
            shown[rule.name], turned[rule.name] = maker.frontal(shown[rule.name], shares[rule.name])
    cards = maker.cards([one for line in shown.values() for one in line])
    return tuple(
        Sheet(
            rule.name,
            rule.title,
            " ".join(filter(None, (_says(rule, found[rule.name], len(shown[rule.name])), turned.get(rule.name)))),
            tuple(cards[_place(one)] for one in shown[rule.name]),
            maker.notes(shown[rule.name]),
        )
        for rule in RULES
    )


def why_no_faces(made: Sequence[Sheet]) -> str | None:
    """The most frequent reason why no card shows a face; None where one does, and where none was to."""
    cards = [card for sheet in made for card in sheet.cards]
    reasons = Counter(card.why_no_mouths for card in cards if card.why_no_mouths is not None)
    return None if not reasons or any(card.mouths for card in cards) else reasons.most_common(1)[0][0]


Place = tuple[Path, str, int, int]


class _Maker:
    """Makes cards of rows."""

    def __init__(self, manifests: Sequence[Path], candidates: Sequence[Candidate], settings: SheetSettings) -> None:
        self._settings = settings
        self._cutters = {manifest: Cutter(manifest, settings.n_mouths, settings.moved, settings.card_limit_s) for manifest in manifests}
        self._strips = {manifest: Strips(manifest) for manifest in manifests}
        self._rows: dict[Place, Row] = {}
        for manifest in manifests:
            self._rows |= _rows(manifest, [one for one in candidates if one.manifest == manifest])

    def cards(self, shown: Sequence[Candidate]) -> dict[Place, Card]:
        """A card per place."""
        places = list(dict.fromkeys(map(_place, shown)))
        read = in_time(self._read, places, self._settings.limit_s, self._settings.n_threads)
        span = curve_span(self._rows[place] for place in places)
        return {
            place: card_of(self._shown(self._rows[place]), place[0].name, self._late if what is None else what, span)
            for place, what in zip(places, read, strict=True)
        }

    def _shown(self, row: Row) -> Row:
        """The row as the card names it: a clip_id is often the path below the folder that was scored."""
        return row if self._settings.has_media else {**row, "clip_id": PurePosixPath(row["clip_id"]).name or row["clip_id"]}

    def _read(self, place: Place) -> Seen:
        row, strips = self._rows[place], self._strips[place[0]]
        probability = strips.of(row)
        why_no_probability = "no similarity matrix of this row is stored" if probability is None and strips.reason is None else None
        seen = self._cutters[place[0]](row) if self._settings.has_media else Seen()
        return replace(seen, probability=probability, why_no_probability=why_no_probability)

    @property
    def _late(self) -> Seen:
        why = f"the {self._settings.limit_s:g} s for the files of all clips were over"
        return Seen(why_no_mouths=why, why_no_sound=why) if self._settings.has_media else Seen(why_no_probability=why)

    def frontal(self, line: Sequence[Candidate], n: int) -> tuple[list[Candidate], str]:
        """The first `n` whose head is not turned, and a sentence about the others; where no face is stored a row is taken."""
        from syncqc.faces.turn import yaw_deg

        taken: list[Candidate] = []
        n_turned = n_unknown = 0
        for one in line:
            if len(taken) == n:
                break
            face = self._cutters[one.manifest].face(self._rows[_place(one)])
            if isinstance(face, str):
                n_unknown += 1
            elif abs(float(np.median(yaw_deg(face.landmarks_px)))) > FRONTAL_DEG:
                n_turned += 1
                continue
            taken.append(one)
        said = [f"Left out because the head is turned: {n_turned}."] if n_turned else []
        said += [f"Shown although no stored face says whether the head is turned: {n_unknown}."] if n_unknown else []
        return taken, " ".join(said)

    def notes(self, shown: Sequence[Candidate]) -> tuple[str, ...]:
        """What all cards of one manifest lack, and why."""
        notes = [] if self._settings.has_media or not shown else ["No clip was opened: there are no mouths and no waveforms."]
        for manifest in dict.fromkeys(one.manifest for one in shown):
            reason = self._strips[manifest].reason
            if reason is not None:
                notes.append(
                    f"{manifest.name}: the bar says when the face is the speaker; the probability over time is not known: {reason}."
                )
        return tuple(notes)


def _place(one: Candidate) -> Place:
    return one.manifest, one.clip_id, one.part_index, one.track_index


def _shares(n_there: Mapping[str, int], n_cards: int) -> dict[str, int]:
    """How many cards each sheet gets: one after the other in turn, until there are no more clips or cards."""
    shares = dict.fromkeys(n_there, 0)
    n_left = min(n_cards, sum(n_there.values()))
    for name in cycle(n_there):
        if not n_left:
            break
        if shares[name] < n_there[name]:
            shares[name] += 1
            n_left -= 1
    return shares


def _rows(manifest: Path, wanted: Sequence[Candidate]) -> dict[Place, Row]:
    """What the cards of the candidates need of the manifest."""
    if not wanted:
        return {}
    names = ", ".join(f'"{name}"' for name in _COLUMNS)
    clips = ", ".join(in_sql(clip_id) for clip_id in sorted({one.clip_id for one in wanted}))
    found = query(manifest, f"SELECT {names} FROM manifest WHERE clip_id IN ({clips}) AND is_chosen_track")
    rows = [dict(zip(_COLUMNS, line, strict=True)) for line in found]
    by_place = {_row_place(manifest, row): row for row in rows}
    return {_place(one): by_place[_place(one)] for one in wanted}


def _row_place(manifest: Path, row: Row) -> Place:
    return manifest, row["clip_id"], row["part_index"] or 0, -1 if row["track_index"] is None else row["track_index"]


def _says(rule: SheetRule, pool: Pool, n_shown: int) -> str:
    if not pool.n_clips:
        return f"{rule.says} There are none."
    there = f"{_counted(pool.n_rows, 'row')} of {_counted(pool.n_clips, 'clip')} {'meets' if pool.n_rows == 1 else 'meet'} this"
    if n_shown == pool.n_clips:
        return f"{rule.says} {there}; one row of each clip is shown."
    how = "of each clip the first" if rule.is_by_order else "clips drawn by lot, of each the clearest row"
    return f"{rule.says} {there}; shown are {n_shown}, {how}, datasets and speakers in turn."


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
