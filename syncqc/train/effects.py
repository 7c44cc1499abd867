"""What noise, music, rooms, compression, blur, other rates and turned heads do to the numbers of a network.

The same clips are copied with one thing changed, the copies are read as any file, and their rows are judged beside the
undisturbed ones. A changed sound is heard again and the pictures are not looked at; changed pictures are searched for faces and
seen again, and the sound's embeddings are those that were there, unless the copy's clock moved. Foreign sound is disturbed like the own.

Copies live in a temporary folder, one at a time, and are gone afterwards whatever happens.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from syncqc.errors import ClipError, Failure, UsageError
from syncqc.manifest.row import Clip
from syncqc.measure.calibration import Calibration
from syncqc.media.disturb import MOST_DELAY_SAMPLES, ClipFile
from syncqc.media.mux import MuxError
from syncqc.stages.part import Sound
from syncqc.stages.score import Score
from syncqc.train.disturbances import DISTURBANCES, N_BABBLE_VOICES, NotApplicable, Pictured, Subject, chosen
from syncqc.train.effect_figures import Numbers, Pair, effect, head_turns
from syncqc.train.seen import Observer, SeenClip, foreign_sound, give_strangers, turned_rows
from syncqc.train.stretches import opened

Progress = Callable[[str, int, int], None]
"""Called with what is done, how many clips are done, and of how many."""

HEAD_TURN = "head-turn"
"""Not made but found: rows of the undisturbed clips, by how far the head is turned."""
NOT_MADE = "not_made"
"""Why a row is lost, beside the failures of `errors`: ffmpeg could not make the copy, or it was not what was asked for."""
EFFECTS = (*DISTURBANCES, HEAD_TURN)


@dataclass(frozen=True)
class EffectSettings:
    """On what the effects are measured."""

    max_clips: int = 60
    """Of more clips, as many at equal distances in the list are taken."""
    min_speech: float = 0.5
    """Rows with less voice are left out."""
    n_foreign: int = 2
    """Foreign sounds per row."""
    tolerance_images: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses what nothing can be measured on.

        Raises:
            UsageError: no clip would be left.
        """
        if self.max_clips < 1:
            raise UsageError(f"max_clips must be at least 1, not {self.max_clips}")


@dataclass
class _Found:
    """What came of one disturbance."""

    pairs: list[Pair] = field(default_factory=list)
    n_clips_left_out: int = 0
    notes: list[str] = field(default_factory=list)


def effects_of(
    clips: Sequence[Clip],
    score: Score,
    detector: str,
    names: Sequence[str] | None = None,
    settings: EffectSettings = EffectSettings(),
    progress: Progress = lambda *_: None,
) -> dict[str, object]:
    """The figures of each effect, by name, and what they were measured on, as JSON can hold them; `names` None stands for all.

    Raises:
        UsageError: a name is unknown, or no clip has a row that can be judged.
    """
    wanted = chosen(None if names is None else [name for name in names if name != HEAD_TURN])
    stored = opened(score).header.calibration
    calibration = Calibration.from_json(stored) if stored else None
    observer = Observer(score, detector, settings.min_speech)
    left_out: Counter[str] = Counter()
    taken = spread(clips, settings.max_clips)
    began_s = _cpu_s()
    seen: list[SeenClip] = []
    for done, clip in enumerate(taken):
        progress("undisturbed", done, len(taken))
        seen += observer.see([(clip, clip.speaker or clip.clip_id)], left_out)
    if not seen:
        raise UsageError(f"none of the {len(taken)} clips has a row that can be judged")
    give_strangers(seen, observer, settings.n_foreign)
    out: dict[str, object] = {
        "settings": asdict(settings),
        "n_clips_read": len(taken),
        "n_clips": len(seen),
        "n_speakers": len({clip.speaker for clip in seen}),
        "n_rows": sum(len(clip.rows) for clip in seen),
        "parts_left_out": dict(left_out),
        "cpu_s": _cpu_s() - began_s,
    }
    lab = _Lab(seen, observer, settings, progress)
    out["effects"] = {name: lab.run(name, calibration) for name in wanted}
    if names is None or HEAD_TURN in names:
        out["head_turn"] = head_turns(turned_rows(seen), calibration, settings.tolerance_images)
    return out


def spread(clips: Sequence[Clip], most: int) -> list[Clip]:
    """At most so many of the clips, at equal distances in the list, so that every source has its share."""
    n = min(most, len(clips))
    return [clips[i * len(clips) // n] for i in range(n)]


class _Lab:
    """The undisturbed clips and what is done to them."""

    def __init__(self, clips: list[SeenClip], observer: Observer, settings: EffectSettings, progress: Progress) -> None:
        self._clips, self._observer, self._settings, self._progress = clips, observer, settings, progress

    def run(self, name: str, calibration: Calibration | None) -> Mapping[str, object]:
        """The figures of one disturbance, with what it is and how long it took."""
        began_s = _cpu_s()
        disturbance = DISTURBANCES[name]
        with tempfile.TemporaryDirectory(prefix="syncqc-effects-") as folder:
            found = self._pictures(name, Path(folder)) if isinstance(disturbance, Pictured) else self._sounds(name, Path(folder))
        return {
            "changes": "pictures" if isinstance(disturbance, Pictured) else "sound",
            "words": disturbance.words,
            **effect(found.pairs, calibration, self._settings.tolerance_images),
            "n_clips_left_out": found.n_clips_left_out,
            "notes": found.notes[:3],
            "cpu_s": _cpu_s() - began_s,
        }

    def _sounds(self, name: str, folder: Path) -> _Found:
        """Every clip's disturbed sound first, then every row with its own and with its strangers'."""
        found = _Found()
        sounds: dict[int, Sound] = {}
        lost: dict[int, str] = {}
        for number, clip in enumerate(self._clips):
            self._progress(name, number, len(self._clips))
            out = folder / f"{number}.mkv"
            try:
                copy = DISTURBANCES[name].make(self._subject(number), out)
                assert isinstance(copy, ClipFile)
                sounds[id(clip)] = self._observer.listen(copy)
            except NotApplicable:
                found.n_clips_left_out += 1
            except (MuxError, ClipError) as error:
                lost[id(clip)] = _reason(error, clip, found)
            out.unlink(missing_ok=True)
        for clip in self._clips:
            if id(clip) in lost:
                found.pairs += [Pair(clip.speaker, row.numbers, Numbers(None, failure=lost[id(clip)])) for row in clip.rows]
            elif id(clip) in sounds:
                found.pairs += self._heard_again(clip, sounds)
        return found

    def _heard_again(self, clip: SeenClip, sounds: Mapping[int, Sound]) -> list[Pair]:
        own_sound = sounds[id(clip)]
        heard = self._observer.hear(own_sound, 0, clip.file.facts.n_images)
        pairs = []
        for row in clip.rows:
            own = self._observer.measured(row.face, heard)
            first_image, n_images = clip.parts[row.part]
            foreign = []
            for other, image in row.strangers:
                if id(other) in sounds:
                    laid = foreign_sound(own_sound, sounds[id(other)], image - first_image)
                    foreign.append(self._observer.measured(row.face, self._observer.hear(laid, first_image, n_images)))
            failure = None if own is not None else str(Failure.NO_AUDIO)
            pairs.append(Pair(clip.speaker, row.numbers, Numbers(own, [sync for sync in foreign if sync is not None], failure)))
        return pairs

    def _pictures(self, name: str, folder: Path) -> _Found:
        """Every clip's disturbed pictures, searched for faces and seen again."""
        found = _Found()
        disturbance = DISTURBANCES[name]
        assert isinstance(disturbance, Pictured)
        for number, clip in enumerate(self._clips):
            self._progress(name, number, len(self._clips))
            out = folder / f"{number}.mkv"
            try:
                copy, delay = disturbance.make(self._subject(number), out)
                found.pairs += self._seen_again(clip, copy, delay)
            except NotApplicable:
                found.n_clips_left_out += 1
            except (MuxError, ClipError) as error:
                failure = _reason(error, clip, found)
                found.pairs += [Pair(clip.speaker, row.numbers, Numbers(None, failure=failure)) for row in clip.rows]
            out.unlink(missing_ok=True)
        return found

    def _seen_again(self, clip: SeenClip, copy: ClipFile, delay: int) -> list[Pair]:
        heard = clip.heard
        if abs(delay) > MOST_DELAY_SAMPLES:
            heard = self._observer.hear(self._observer.listen(copy), 0, clip.file.facts.n_images)
        rows = {row.part: row for row in clip.rows}
        pairs = []
        for part in self._observer.tracked(clip.clip, copy, clip.parts):
            row = rows.get(part.part_index)
            if row is None:
                continue
            failure = str(part.failure) if part.failure is not None else self._observer.too_short(part)
            after = Numbers(None, failure=failure)
            if failure is None:
                face = self._observer.look(part.tracks[0])
                own = self._observer.measured(face, heard)
                foreign = [self._observer.measured(face, stranger) for stranger in row.foreign]
                after = Numbers(own, [sync for sync in foreign if sync is not None], None if own is not None else str(Failure.NO_AUDIO))
            pairs.append(Pair(clip.speaker, row.numbers, after))
        return pairs

    def _subject(self, number: int) -> Subject:
        clip = self._clips[number]
        present = np.flatnonzero(clip.sound.is_present)
        first, end = int(present[0]), int(present[-1]) + 1
        others = [other for other in self._clips[number + 1 :] + self._clips[:number] if other.speaker != clip.speaker]
        voices: dict[str, SeenClip] = {}
        for other in others:
            voices.setdefault(other.speaker, other)
        return Subject(
            file=clip.file,
            samples=clip.sound.samples[first:end],
            first_sample=clip.sound.first_sample + first,
            face_width_px=clip.face_width_px,
            seed=self._settings.seed + number,
            voices=[_present(other.sound) for other in list(voices.values())[:N_BABBLE_VOICES]],
        )


def _present(sound: Sound) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.asarray(sound.samples[sound.is_present], np.float32)


def _reason(error: MuxError | ClipError, clip: SeenClip, found: _Found) -> str:
    found.notes.append(f"{clip.clip.clip_id}: {error}")
    return str(error.failure) if isinstance(error, ClipError) else NOT_MADE


def _cpu_s() -> float:
    """Processor time that this process and the ffmpeg programs it ran have taken."""
    taken = os.times()
    return taken.user + taken.system + taken.children_user + taken.children_system
