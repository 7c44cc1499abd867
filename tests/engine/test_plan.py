from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fake_plan import FakeFaces, FakePool, FakeRead, FakeScore, fake_plan

from syncqc.engine.plan import NOT_A_SETTING, Plan, default_plan, plan_again
from syncqc.errors import Failure, UsageError
from syncqc.manifest import columns as c
from syncqc.stages.base import IMAGES, Payload, Stage
from syncqc.stages.part import Part


@dataclass
class Inner:
    threshold: float = 0.5


@dataclass
class Odd(Stage):
    inner: Inner = field(default_factory=Inner)
    root: Path = Path("a/b")
    on: Failure = Failure.SILENT
    sizes: tuple[int, ...] = (1, 2)
    device: str = field(default="cpu", metadata=NOT_A_SETTING)
    _cache: object = None
    reads: ClassVar[tuple[c.Column | Payload, ...]] = (IMAGES,)

    def __call__(self, parts: list[Part]) -> list[Part]:
        return parts


@dataclass
class Holds(Odd):
    sizes: Any = field(default_factory=lambda: {"a": 1})


def test_a_plan_that_fits_together_passes() -> None:
    fake_plan().check()


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        pytest.param(Plan(FakeRead(), [], [FakeScore()]), "FakeScore reads 'crops', which no stage before it writes", id="never written"),
        pytest.param(
            Plan(FakeRead(), [FakeFaces(), FakeScore()], [Odd()]), "Odd reads 'images', which stays in the process", id="does not travel"
        ),
        pytest.param(Plan(FakeRead(), [FakeFaces()], [], [FakePool()]), "FakePool reads 'offset_frames', which no stage", id="closing"),
        pytest.param(Plan(FakeRead(), [FakeScore(), FakeFaces()]), "FakeScore reads 'crops'", id="wrong order"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused_with_the_stage_and_what_it_misses(plan: Plan, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        plan.check()


def test_settings_are_flat_and_come_back_equal_from_json() -> None:
    settings = Plan(FakeRead(), [Odd()], facts={"weights_sha256": "ab"}).settings()
    assert settings == {
        "weights_sha256": "ab",
        "fake_read.images_per_part": 10,
        "fake_read.slowness_s": 0.0,
        "fake_read.note_path": None,
        "odd.inner.threshold": 0.5,
        "odd.root": "a/b",
        "odd.on": "silent",
        "odd.sizes": [1, 2],
    }
    assert json.loads(json.dumps(settings)) == settings


def test_a_setting_that_cannot_be_compared_is_a_bug_with_its_name() -> None:
    with pytest.raises(TypeError, match=r"holds\.sizes holds a dict"):
        Plan(FakeRead(), [Holds()]).settings()


def test_two_stages_of_a_kind_are_not_mixed_up() -> None:
    with pytest.raises(ValueError, match=r"two stages of the plan have the setting odd\."):
        Plan(FakeRead(), [Odd(), Odd()]).settings()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"detector": "centreface"}, "unknown detector 'centreface'; did you mean 'centerface'"),
        ({"w": 0}, "--w must be 1 or more, not 0"),
        ({"detect_every": -1}, "--detect-every must be 1 or more, not -1"),
        ({"model": "nowhere.safetensors"}, "no weights file nowhere.safetensors"),
    ],
    ids=["detector", "w", "detect_every", "model"],
)
def test_the_default_plan_refuses_wrong_values_before_anything_is_loaded(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        default_plan(**options)


def test_the_default_plan_fits_together_and_takes_crops_and_mel_from_the_weights_file(tmp_path: Path) -> None:
    from dataclasses import asdict

    from syncqc.nets.checkpoint import Header, new_network, store

    network = new_network("ic-syncnet.small")
    weights = tmp_path / "untrained.safetensors"
    store(weights, network, Header("ic-syncnet.small", asdict(network.config), 0.1, mel={"min_hz": 70.0}))
    plan = default_plan(model=str(weights), w=20, detect_every=3, keep_similarity=True)
    plan.check()
    settings = plan.settings()
    wanted = {
        "read_clip.w": 20,
        "listen.w": 20,
        "score.w": 20,
        "score.keep_similarity": True,
        "find_faces.every": 3,
        "find_faces.crop_height_px": network.config.height_px,
        "find_faces.crop_width_px": network.config.width_px,
        "listen.front_end.min_hz": 70.0,
        "model": "ic-syncnet.small",
    }
    assert {name: settings[name] for name in wanted} == wanted
    assert len(str(settings["weights_sha256"])) == 64


def test_the_plan_that_measures_again_has_the_settings_of_the_first_one() -> None:
    made_with = {"score.w": 20, "find_faces.detector": "centerface", "find_faces.every": 7}
    plan = plan_again(made_with, by_index=True)
    plan.check()
    settings = plan.settings()
    assert (settings["read_by_index.w"], settings["score.w"], settings["find_faces.every"]) == (20, 20, 7)
    traces = ("find_ghosts.", "sound_traces.", "judge_ghosts.")
    others = {name: value for name, value in default_plan().settings().items() if not name.startswith(traces)}
    assert plan_again({}, by_index=False).settings() == others
