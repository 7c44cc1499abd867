"""The contract that every stage declares: what it writes it does write, what it does not declare it does not look at."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from syncqc.engine.plan import Plan
from syncqc.errors import Failure, UsageError
from syncqc.faces.detector import Faces
from syncqc.manifest import columns as c
from syncqc.manifest.row import Clip, complete
from syncqc.nets.checkpoint import Header, LoadedNet
from syncqc.nets.ic_syncnet import IcSyncNet, IcSyncNetConfig
from syncqc.stages import find_faces, score
from syncqc.stages.base import CROPS, IMAGES, MEL, SOUND, Payload, Source, Stage
from syncqc.stages.find_faces import FindFaces
from syncqc.stages.listen import Listen
from syncqc.stages.part import Part
from syncqc.stages.pool import PoolClip
from syncqc.stages.read import ReadClip
from syncqc.stages.score import Score

N_IMAGES = 40
MINI = IcSyncNetConfig(height_px=8, width_px=16, visual_widths=(2, 2), visual_depth=0, audio_widths=(2, 2), audio_depth=0, embedding=4)
HELD_IN = {IMAGES: "images", SOUND: "sound", MEL: "mel", CROPS: "tracks"}
"""The field of a part that holds a payload."""


class OneFace:
    """Finds the same face on every picture."""

    name = "one face"

    def detect(self, images: np.ndarray) -> list[Faces]:
        box = np.array([[10, 5, 40, 35]], np.float32)
        landmarks = np.array([[[18, 15], [32, 15], [25, 22], [20, 28], [30, 28]]], np.float32)
        return [Faces(box, landmarks, np.ones(1, np.float32))] * len(images)


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector and a network that need no weights."""
    torch.manual_seed(0)
    monkeypatch.setattr(find_faces, "open_detector", lambda *_: OneFace())
    monkeypatch.setattr(score, "load", lambda name: LoadedNet(IcSyncNet(MINI).eval(), Header(name, asdict(MINI), 0.1), "0" * 64))


@pytest.fixture(scope="module")
def clip(files: Any) -> Clip:
    sound = 0.2 * np.random.default_rng(1).uniform(-1, 1, N_IMAGES * 640)
    path = files.make("contract", N_IMAGES, sound, lambda k: np.full((48, 64, 3), 60 + 2 * k, np.uint8))
    return Clip("a", str(path), listed_face_x=0.4, listed_face_y=0.4)


STAGES: list[Stage] = [FindFaces(crop_height_px=8, crop_width_px=16), Listen(), Score()]
STEPS: list[Source | Stage] = [ReadClip(), *STAGES]


def named(step: object) -> str:
    return type(step).__name__


def opened(stage: Stage) -> Stage:
    fresh = copy.deepcopy(stage)
    fresh.open()
    return fresh


def before(stage: Stage, clip: Clip) -> Part:
    """The clip's only part as it is when it comes to the stage."""
    (part,) = ReadClip()(clip)
    for earlier in STAGES[: STAGES.index(stage)]:
        (part,) = opened(earlier)([part])
    return part


def columns_of(part: Part) -> dict[str, object]:
    """Everything the part and its tracks say, but for what is known of a clip before it is opened."""
    known = part.clip.row()
    return {name: value for row in part.rows() for name, value in row.items() if name not in known}


def written_columns(step: Source | Stage) -> set[str]:
    return {item.name for item in step.writes if isinstance(item, c.Column)}


def test_reading_writes_the_columns_it_declares(clip: Clip) -> None:
    (part,) = ReadClip()(clip)
    assert part.failure is None
    assert columns_of(part).keys() == written_columns(ReadClip())
    assert part.images is not None
    assert part.sound is not None


@pytest.mark.parametrize("stage", STAGES, ids=named)
def test_a_stage_writes_the_columns_and_payloads_it_declares(stage: Stage, clip: Clip) -> None:
    part = before(stage, clip)
    had = copy.deepcopy(columns_of(part))
    held = {payload: getattr(part, name) for payload, name in HELD_IN.items()}
    assert opened(stage)([part]) == [part]
    assert part.failure is None
    now = columns_of(part)
    changed = {name for name in now if name not in had or now[name] != had[name]}
    assert changed <= written_columns(stage)
    touched = {name for row in [part.row, *(t.row for t in part.tracks)] for name in row} - had.keys()
    assert written_columns(stage) - had.keys() == touched, "what is declared is there, and nothing else is"
    filled = {payload for payload, name in HELD_IN.items() if getattr(part, name) is not held[payload]}
    # Tracks are a list that is filled in place by nobody but the stage that writes crops.
    assert filled == {item for item in stage.writes if isinstance(item, Payload)}


@pytest.mark.parametrize("stage", STAGES, ids=named)
def test_a_stage_looks_at_no_payload_it_does_not_declare(stage: Stage, clip: Clip) -> None:
    """Everything else is taken away first; the numbers stay the same."""
    torch.manual_seed(0)
    whole, bare = before(stage, clip), before(stage, clip)
    undeclared = HELD_IN.keys() - set(stage.reads)
    for payload in undeclared:
        setattr(bare, HELD_IN[payload], [] if payload is CROPS else None)
    for part in (whole, bare):
        torch.manual_seed(0)
        opened(stage)([part])
    own = written_columns(stage)
    assert {k: v for k, v in columns_of(bare).items() if k in own} == {k: v for k, v in columns_of(whole).items() if k in own}


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_what_a_stage_declares_are_columns_of_the_manifest_and_its_own_ones(step: Source | Stage) -> None:
    assert written_columns(step) <= c.BY_NAME.keys()
    name = {"ReadClip": "read", "FindFaces": "find_faces", "Listen": "listen", "Score": "score"}[named(step)]
    assert {column.name for column in c.COLUMNS if column.by == name} <= written_columns(step)


def test_the_whole_row_of_a_measured_track_has_a_value_wherever_a_stage_writes(clip: Clip) -> None:
    part = before(STAGES[2], clip)
    opened(STAGES[2])([part])
    (row,) = (complete(row) for row in part.rows())
    null = {name for name in set().union(*(written_columns(step) for step in STEPS)) if row[name] is None}
    # The network is not calibrated; Matroska names no four characters and FLAC no profile; there are no AAC blocks, and all went well.
    not_here = {"video_tag", "audio_profile", "audio_block_start_ms", "frame_types_detail"}
    assert null <= {"probability_in_sync", "key_frame_gap_frames"} | not_here
    assert row["failure"] is None


def test_the_plan_of_these_stages_holds_and_a_stage_too_early_does_not() -> None:
    faces, hear, rate = STAGES
    Plan(ReadClip(), [faces, hear], [rate], [PoolClip()]).check()
    with pytest.raises(UsageError, match="Listen reads 'crops', which no stage before it writes"):
        Plan(ReadClip(), [hear, faces], [rate]).check()
    with pytest.raises(UsageError, match="FindFaces reads 'images', which stays in the process that read it"):
        Plan(ReadClip(), [], [faces, hear, rate]).check()


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_settings_can_be_compared_printed_and_sent(step: Any) -> None:
    sent = pickle.loads(pickle.dumps(step))
    assert sent == step
    assert all(f"{item.name}=" in repr(step) for item in fields(step) if not item.name.startswith("_"))


@pytest.mark.parametrize("stage", STAGES, ids=named)
def test_an_opened_stage_has_the_same_settings(stage: Stage) -> None:
    assert opened(stage) == stage
    assert repr(opened(stage)) == repr(stage)


def text(path: Path) -> None:
    path.write_text("no film")


def cut_short(path: Path, whole: Path) -> None:
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])


@pytest.mark.parametrize("spoil", [text, cut_short], ids=["no film", "half a file"])
def test_a_bad_clip_among_good_ones_raises_nothing_and_harms_no_other(clip: Clip, tmp_path: Path, spoil: Callable[..., None]) -> None:
    bad = tmp_path / "bad.mkv"
    spoil(bad, *([Path(clip.path)] if spoil is cut_short else []))
    parts = [*ReadClip()(clip), *ReadClip()(Clip("bad", str(bad))), *ReadClip()(clip)]
    for stage in STAGES:
        torch.manual_seed(0)
        parts = opened(stage)(parts)
    rows = [row for part in parts for row in part.rows()]
    good = [row for row in rows if row["clip_id"] == "a"]
    assert good[0] == good[-1]
    assert good[0]["offset_frames"] is not None
    (row,) = (row for row in rows if row["clip_id"] == "bad")
    assert row.get("failure") == (Failure.UNREADABLE if spoil is text else None)
