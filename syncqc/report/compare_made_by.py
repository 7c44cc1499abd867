"""What made two manifests, side by side: versions, model, settings and filters, and which of them differ.

Knows the metadata of manifests; no rows. What stands there may be anybody's: every value becomes plain text, paths lose their folders.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncqc.errors import UsageError
from syncqc.manifest.columns import SCHEMA_VERSION
from syncqc.manifest.filter import FILTER_KEY
from syncqc.manifest.store import TRACKS_KEY, refuse_unfinished, storable
from syncqc.report.gather_sources import filters_of, known_of, said_of_repair, settings_of
from syncqc.report.words import is_path, shortened_path

WEIGHTS = "weights_sha256"
NOT_THERE = "not there"
_FIRST = ("syncqc", "model", WEIGHTS, "schema_version")
_SHORT_HASH = 12
_LABELS = {WEIGHTS: "weights (SHA-256)", "schema_version": "version of the columns", "finished_at": "finished"}
_MODELS = ("model", "score.model")
"""A network's name, or the path of its file from wherever the run was started."""
_TIMES = ("finished_at",)
"""No two runs have them in common."""


@dataclass(frozen=True)
class Fact:
    """One thing that is said of both manifests."""

    label: str
    old: str
    new: str
    differs: bool


def made_by(old: Path, new: Path) -> tuple[Fact, ...]:
    """Everything that the manifests' metadata says, what differs first.

    Raises:
        UsageError: a file is missing, no manifest, not finished, or written by a newer syncqc.
    """
    known = [_flat(_checked(path)) for path in (old, new)]
    labels = [name for name in _FIRST if name in known[0] or name in known[1]]
    labels += sorted((known[0].keys() | known[1].keys()) - set(labels))
    facts = [_fact(name, *known) for name in labels if not _is_said_already(name, *known)]
    return tuple(sorted(facts, key=lambda fact: not fact.differs))


def notes(old: Path, new: Path) -> tuple[str, ...]:
    """What a reader must know before reading numbers off the comparison."""
    said = []
    both = [known_of(path) for path in (old, new)]
    for side, one in zip(("OLD", "NEW"), both, strict=True):
        if filters_of(one):
            said.append(f"{side} went through a filter before: rows that it dropped count as missing.")
        if "resync" in one:
            said.append(said_of_repair(side))
    weights = [settings_of(one).get(WEIGHTS) for one in both]
    if weights[0] != weights[1]:
        said.append(
            "The weights differ: the probability at offset is each network's own scale, so that the same threshold need not be as strict "
            "for both. Compare what is kept and the offsets first."
        )
    return tuple(said)


def _checked(path: Path) -> dict[str, Any]:
    known = known_of(path)
    refuse_unfinished(path)
    version = known.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise UsageError(f"{path} holds version {version} of the columns, this syncqc knows {SCHEMA_VERSION}; use a newer syncqc")
    return known


def _flat(known: Mapping[str, Any]) -> dict[str, Any]:
    """Settings beside versions, one name each; every filter by its place."""
    flat = {name: value for name, value in known.items() if name not in ("settings", FILTER_KEY, TRACKS_KEY)}
    flat |= settings_of(known)
    for number, one in enumerate(filters_of(known), start=1):
        is_table = isinstance(one, dict)
        flat[f"filter {number}"] = {name: one[name] for name in one if name not in ("manifest", "syncqc")} if is_table else one
    return flat


def _is_said_already(name: str, *known: Mapping[str, Any]) -> bool:
    """Whether it is a stage's copy of a setting of the whole run."""
    _, _, setting = name.rpartition(".")
    return setting != name and all(setting in one and one.get(name, NOT_THERE) == one[setting] for one in known)


def _fact(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Fact:
    differs = name not in _TIMES and ((name in old) != (name in new) or old.get(name) != new.get(name))
    return Fact(storable(_LABELS.get(name, name)), _text(name, old), _text(name, new), differs)


def _text(name: str, known: Mapping[str, Any]) -> str:
    if name not in known:
        return NOT_THERE
    value = known[name]
    if value is None:
        return "-"
    if name == WEIGHTS:
        return storable(str(value))[:_SHORT_HASH]
    if name in _MODELS and isinstance(value, str):
        return storable(shortened_path(value))
    shown = _without_folders(value)
    return storable(shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False, sort_keys=True))


def _without_folders(value: object) -> object:
    """The value, and of the paths in it the last two names."""
    if isinstance(value, str):
        return shortened_path(value) if is_path(value) else value
    if isinstance(value, list):
        return [_without_folders(one) for one in value]
    if isinstance(value, dict):
        return {name: _without_folders(one) for name, one in value.items()}
    return value
