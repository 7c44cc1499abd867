from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from syncqc.cli import effects as module
from syncqc.cli.effects import effect_names, effect_tables, effects, show, worst_in_words
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip
from syncqc.measure.sync import measure
from syncqc.stages.score import Score
from syncqc.train.effect_figures import Numbers, Pair, TurnedRow, effect, head_turns
from syncqc.train.effects import EffectSettings

MEASURED = measure(np.where(np.arange(31)[:, None] == 15, 0.4, 0.0) * np.ones((31, 40)), np.ones((31, 40), np.bool_), 0.1)


def pairs(n_lost: int) -> list[Pair]:
    """Four rows of two speakers that are good, so many of them lost."""
    whole = Numbers(MEASURED, [MEASURED] if MEASURED else [])
    return [Pair("ab"[i % 2], whole, whole if i >= n_lost else Numbers(None, failure="no_face")) for i in range(4)]


def told(**n_lost: int) -> dict[str, Any]:
    """What `effects_of` says where a disturbance loses so many of four rows."""
    made = {
        name.replace("_", "-"): {"changes": "pictures", "words": "a change", **effect(pairs(n), None), "n_clips_left_out": 0, "cpu_s": 2.4}
        for name, n in n_lost.items()
    }
    turned = head_turns([TurnedRow(pair.speaker, 20.0, pair.before, None) for pair in pairs(0)], None)
    return {"n_clips": 3, "n_speakers": 2, "n_rows": 4, "cpu_s": 5.0, "effects": made, "head_turn": turned}


def test_the_tables_compare_with_the_undisturbed() -> None:
    disturbances, heads, words = effect_tables(told(blur=0, dark=3))
    assert disturbances.title.endswith("(3 clips, 2 speakers, 4 rows; in brackets 95 % of draws of speakers)")
    assert {len(row) for row in disturbances.rows} == {len(disturbances.header)}
    undisturbed, blur, dark = disturbances.rows
    assert (undisturbed[0], undisturbed[2], undisturbed[6], undisturbed[-1]) == ("undisturbed", "0", "100", "5")
    assert (blur[0], blur[2], blur[3], blur[6]) == ("blur", "0", "100 (100-100)", "100 +0 (+0 to +0)")
    assert (dark[2], dark[4], dark[-1]) == ("no_face 3", "0.982 +0.000", "2")
    assert dark[6].startswith("25 -75 (")
    assert words.rows == [("blur", "a change"), ("dark", "a change")]
    assert heads.rows[1][:4] == ("half", "4", "2", "20°")
    assert heads.rows[0] == ("frontal", "0", "0", "", "", "", "", "", "")
    assert {len(row) for row in heads.rows} == {len(heads.header)}


def test_only_what_was_asked_for_has_a_table() -> None:
    found = told(blur=0)
    del found["head_turn"]
    assert [table.header[0] for table in effect_tables(found)] == ["effect", "effect"]
    assert effect_tables({**found, "effects": {}}) == []
    assert [table.header[0] for table in effect_tables({**told(), "effects": {}})] == ["head"]


def test_the_worst_are_named() -> None:
    said = worst_in_words(told(blur=1, dark=3, mjpeg=0, freeze=2))
    assert "least often under dark (25%), freeze (50%), blur (75%) of the rows" in said
    assert "dark takes most rows away that were good (p >= 0.9, offscreen <= 0.2): 100% become 25%" in said


def test_harmless_ones_are_said_to_be() -> None:
    said = worst_in_words(told(blur=0))
    assert said == "every offset is found again; none makes fewer rows good (p >= 0.9, offscreen <= 0.2)"
    assert worst_in_words({"effects": {}}) == "no disturbance could be judged"


def test_names_are_separated_by_commas() -> None:
    assert effect_names("blur, head-turn,fps-15") == ["blur", "head-turn", "fps-15"]
    assert effect_names("all") is None


@pytest.mark.parametrize(
    ("text", "says"), [("blurr", "did you mean 'blur'"), (" , ", "name at least one effect"), ("all,blur", "unknown effect 'all'")]
)
def test_what_is_no_effect_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        effect_names(text)


Asked = list[dict[str, Any]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What `effects_of` was asked; it finds nothing lost under blur."""
    asked: Asked = []

    def effects_of(
        clips: Sequence[Clip],
        score: Score,
        detector: str,
        names: Sequence[str] | None,
        settings: EffectSettings,
        progress: Callable[[str, int, int], None],
    ) -> dict[str, Any]:
        asked.append({"clips": clips, "model": score.model, "detector": detector, "names": names, "max_clips": settings.max_clips})
        for name in ("undisturbed", "undisturbed", "blur"):
            progress(name, 0, 1)
        return told(blur=0)

    monkeypatch.setattr("syncqc.train.effects.effects_of", effects_of)
    monkeypatch.setattr(Score, "open", lambda _: None)
    return asked


def test_progress_goes_to_stderr_a_line_per_effect(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    effects("mine", [Clip("a", "a")], names=["blur"], max_clips=7)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "effects: undisturbed\neffects: blur\n")
    assert asked == [{"clips": [Clip("a", "a")], "model": "mine", "detector": "centerface", "names": ["blur"], "max_clips": 7}]


def test_a_network_that_is_open_already_is_used(asked: Asked) -> None:
    effects(Score(model="open already"), [])
    assert (asked[0]["model"], asked[0]["max_clips"], asked[0]["names"]) == ("open already", EffectSettings().max_clips, None)


def test_an_unknown_detector_stops_before_any_work(asked: Asked) -> None:
    with pytest.raises(UsageError, match="unknown detector"):
        effects("mine", [], "centreface")
    assert asked == []


def test_the_tables_are_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    show(effect_tables(told(blur=0)))
    assert "undisturbed" in capsys.readouterr().out


def test_a_cell_is_text_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    show([module.Table("title [red]", ("a", "b"), [("[bold]x", "1")])])
    assert "[bold]x" in capsys.readouterr().out
