"""The list of stages that a run carries out, checked before a video is opened, and its settings in a form that can be compared.

Knows no stage's work and no engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

from syncqc.errors import UsageError
from syncqc.manifest.columns import DETAIL, FAILURE, N_PARTS, PART_INDEX, Column
from syncqc.manifest.row import Clip
from syncqc.stages.base import Closing, Payload, Source, Stage

Setting = str | int | float | bool | None | list["Setting"]

NOT_A_SETTING = {"is_setting": False}
"""Metadata for a stage's field that changes no number in the rows (a device, a number of threads)."""


@dataclass(frozen=True)
class Near:
    """What one reading process does: a clip's parts, through the stages that need its pictures or its sound."""

    source: Source
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is done to every clip, in order: read; near stages, in the reader's process; far stages; then whole clips."""

    source: Source
    near: Sequence[Stage] = ()
    far: Sequence[Stage] = ()
    closing: Sequence[Closing] = ()
    facts: Mapping[str, Setting] = field(default_factory=dict)
    """What decides the rows besides the stages' fields: the hash of the weights."""

    def check(self) -> None:
        """Nothing, when every stage finds what it reads.

        Raises:
            UsageError: a stage reads what nothing before it writes, or what does not travel to where it runs.
        """
        written = set(Clip("", "").row()) | {c.name for c in (PART_INDEX, N_PARTS, FAILURE, DETAIL)}
        written |= {item.name for item in self.source.writes}
        for stage, is_far in [(s, False) for s in self.near] + [(s, True) for s in self.far]:
            for item in stage.reads:
                _check_read(stage, item, written, is_far)
            written |= {item.name for item in stage.writes}
        for closing in self.closing:
            for column in closing.reads:
                _check_read(closing, column, written, is_far=True)
            written |= {column.name for column in closing.writes}

    @property
    def reading(self) -> Near:
        """The part of the plan that runs in a reading process."""
        return Near(self.source, tuple(self.near))

    def settings(self) -> dict[str, Setting]:
        """Every setting of every stage as ``{"find_faces.detector": "centerface", ...}``: flat, and JSON can hold it."""
        flat = dict(self.facts)
        for stage in (self.source, *self.near, *self.far, *self.closing):
            for name, value in _settings_of(_spelled(type(stage).__name__), stage):
                if name in flat:
                    raise ValueError(f"two stages of the plan have the setting {name}")
                flat[name] = value
        return flat


def default_plan(
    *,
    model: str | None = None,
    detector: str | None = None,
    detector_root: Path | None = None,
    detect_every: int | None = None,
    w: int | None = None,
    keep_similarity: bool = False,
) -> Plan:
    """The plan of ``syncqc score``: read, find faces, listen, score, pool; None takes the stage's own default.

    Crops and mel are made as the network's file asks for. Nothing is loaded yet.

    Raises:
        UsageError: unknown model or detector, no weights, or a value that cannot work.
    """
    from syncqc.faces.registry import check_detector
    from syncqc.media.mel import MelFrontEnd
    from syncqc.nets.checkpoint import config_of, file_sha256, find, read_header
    from syncqc.stages.find_faces import FindFaces
    from syncqc.stages.find_ghosts import FindGhosts, JudgeGhosts
    from syncqc.stages.listen import Listen
    from syncqc.stages.pool import PoolClip
    from syncqc.stages.read import ReadClip
    from syncqc.stages.score import Score
    from syncqc.stages.sound_traces import SoundTraces

    for name, value in (("--w", w), ("--detect-every", detect_every)):
        if value is not None and value < 1:
            raise UsageError(f"{name} must be 1 or more, not {value}")
    score = Score(**_given(model=model, w=w), keep_similarity=keep_similarity)
    faces = FindFaces(**_given(detector=detector, detector_root=None if detector_root is None else str(detector_root), every=detect_every))
    check_detector(faces.detector, detector_root)
    weights = find(score.model)
    header = read_header(weights)
    net = config_of(header)
    return Plan(
        ReadClip(w=score.w),
        [
            FindGhosts(),
            replace(faces, crop_height_px=net.height_px, crop_width_px=net.width_px),
            Listen(score.w, MelFrontEnd(**(header.mel or {}))),
            SoundTraces(),
        ],
        [score],
        [PoolClip(), JudgeGhosts()],
        {"model": header.name, "weights_sha256": file_sha256(str(weights), weights.stat().st_mtime_ns)},
    )


def plan_again(made_with: Mapping[str, Any], *, by_index: bool, model: str | None = None) -> Plan:
    """The plan that made a manifest, told by the settings in it, for a second look at the files that were made of its clips.

    It asks for the offset alone: traces of earlier coding are not looked for. With `by_index` files are read as readers do that never
    look at a timestamp. `model` stands for the manifest's own network.

    Raises:
        UsageError: its network or its detector is not to be had here.
    """
    from syncqc.stages.find_ghosts import FindGhosts, JudgeGhosts
    from syncqc.stages.read_by_index import ReadByIndex
    from syncqc.stages.sound_traces import SoundTraces

    root, w = made_with.get("find_faces.detector_root"), made_with.get("score.w")
    plan = default_plan(
        model=model or made_with.get("score.model"),
        detector=made_with.get("find_faces.detector"),
        detector_root=None if root is None else Path(root),
        detect_every=made_with.get("find_faces.every"),
        w=w,
    )
    near = [stage for stage in plan.near if not isinstance(stage, FindGhosts | SoundTraces)]
    closing = [stage for stage in plan.closing if not isinstance(stage, JudgeGhosts)]
    source = ReadByIndex(**_given(w=w)) if by_index else plan.source
    return replace(plan, source=source, near=near, closing=closing)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _check_read(stage: object, item: Column | Payload, written: set[str], is_far: bool) -> None:
    name = type(stage).__name__
    if item.name not in written:
        raise UsageError(f"{name} reads {item.name!r}, which no stage before it writes")
    if is_far and isinstance(item, Payload) and not item.travels:
        raise UsageError(f"{name} reads {item.name!r}, which stays in the process that read it; put {name} among the near stages")


def _settings_of(prefix: str, holder: object) -> Iterator[tuple[str, Setting]]:
    if not is_dataclass(holder):
        return
    for item in fields(holder):
        if item.name.startswith("_") or not item.metadata.get("is_setting", True):
            continue
        value = getattr(holder, item.name)
        if is_dataclass(value):
            yield from _settings_of(f"{prefix}.{item.name}", value)
        else:
            yield f"{prefix}.{item.name}", _plain(f"{prefix}.{item.name}", value)


def _plain(name: str, value: Any) -> Setting:
    """The value as JSON gives it back, so that settings read from a file compare equal."""
    if isinstance(value, Enum):
        return _plain(name, value.value)
    if isinstance(value, PurePath):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [_plain(name, item) for item in value]
    raise TypeError(f"the setting {name} holds a {type(value).__name__}, which can be neither stored nor compared")


def _spelled(class_name: str) -> str:
    """``FindFaces`` as ``find_faces``."""
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(class_name))
