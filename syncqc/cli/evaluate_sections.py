"""What ``syncqc evaluate`` says beside the protocol and the figures: each section is one function, in the order of `SECTIONS`.

A section measures, and says what stands in the JSON file, on the page and in the terminal. Knows which figures there are, and none itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.manifest.row import Clip
    from syncqc.measure.calibration import Calibration
    from syncqc.stages.score import Score
    from syncqc.train.calibrate import Labelled
    from syncqc.train.evaluate import Section
    from syncqc.train.stretches import EvalSettings, Measuring, TrackMatrices

SUMMARY_DURATION_S = 3.0


@dataclass(frozen=True)
class Evaluated:
    """What the sections may look at."""

    score: Score
    """Opened."""
    clips: list[Clip]
    detector: str
    tracks: list[TrackMatrices]
    measuring: Measuring
    settings: EvalSettings
    items: list[Labelled]
    effects: str | None
    """Names of effects as they were given; None where none were asked for."""

    def calibration(self) -> Calibration | None:
        """The checkpoint's own map."""
        from syncqc.measure.calibration import Calibration
        from syncqc.train.stretches import opened

        stored = opened(self.score).header.calibration
        return Calibration.from_json(stored) if stored else None


def sections(given: Evaluated) -> list[Section]:
    """The sections that have something to say."""
    return [section for make in SECTIONS for section in make(given)]


def _told_apart(given: Evaluated) -> Iterable[Section]:
    from syncqc.train import told_apart
    from syncqc.train.evaluate import Section

    found = told_apart.section(given.tracks, given.measuring, given.settings, given.calibration())
    yield Section("told_apart", "True sound against other sound", found, told_apart.table(found), _aucs_in_words(found))


def _aucs_in_words(found: dict[str, Any]) -> list[str]:
    """The AUC at `SUMMARY_DURATION_S` against each kind of other sound, of the best probability there is."""
    name = list(found)[-1]
    at = {kind: one["auc"] for kind, lines in found[name].items() for one in lines if one["duration_s"] == SUMMARY_DURATION_S}
    told = ", ".join(f"{kind.replace('_', ' ')} {auc:.3f}" for kind, auc in at.items() if auc is not None)
    return [f"AUC of {name} at {SUMMARY_DURATION_S:g} s against {told}"] if told else []


def _kept(given: Evaluated) -> Iterable[Section]:
    from syncqc.train import kept
    from syncqc.train.evaluate import Section

    found = kept.section(given.tracks, given.measuring, given.settings)
    whole = {kind: lines[-1]["kept"] for kind, lines in found["shares"].items()}
    told = ", ".join(f"{kind.replace('_', ' ')} {share:.1%}" for kind, share in whole.items() if share is not None)
    sentences = [f"p >= {found['p']:g} and offscreen <= {found['offscreen']:g} keep, of whole rows: {told}"] if told else []
    yield Section("kept", "What the thresholds keep", found, kept.table(found), sentences)


def _reliability(given: Evaluated) -> Iterable[Section]:
    from syncqc.train import reliability
    from syncqc.train.calibrate import said, said_cross_validated
    from syncqc.train.evaluate import Section

    own = given.calibration()
    probabilities = {}
    for name, ask in (
        ("the checkpoint's own", None if own is None else partial(said, own)),
        ("fitted here, on left-out speakers", said_cross_validated),
    ):
        # Where there are too few speakers, the sentences about the calibration say so.
        with suppress(UsageError):
            if ask is not None and given.items:
                probabilities[name] = ask(given.items)
    found = reliability.section(probabilities)
    yield Section("reliability", "probability_in_sync", found, reliability.table(found))


def _replaced(given: Evaluated) -> Iterable[Section]:
    from syncqc.train import replaced
    from syncqc.train.evaluate import Section

    found = replaced.section(given.tracks, given.measuring)
    one = found["as_scored"]
    told = (
        []
        if one is None
        else [f"offscreen_ratio, where the sound is replaced for a known part: mean error {one['mean_absolute_error']:.3f}"]
    )
    yield Section("replaced", "offscreen_ratio, where the sound is replaced for a known part", found, replaced.table(found), told)


def _effects(given: Evaluated) -> Iterable[Section]:
    from syncqc.cli.effects import effect_names, effect_tables, effects, worst_in_words
    from syncqc.train.evaluate import Section

    if given.effects is not None:
        found = effects(given.score, given.clips, given.detector, effect_names(given.effects))
        sentences = [worst_in_words(found)] if found["effects"] else []
        yield Section("effects", "What disturbs it", found, effect_tables(found), sentences, is_shown=True)


SECTIONS: Sequence[Callable[[Evaluated], Iterable[Section]]] = (_told_apart, _kept, _reliability, _replaced, _effects)
