"""What made two manifests, side by side: versions, model, settings and filters, and which of them differ.

Knows the metadata of manifests; no rows.
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
from syncqc.manifest.store import TRACKS_KEY, provenance

WEIGHTS = "weights_sha256"
NOT_THERE = "not there"
_FIRST = ("syncqc", "model", WEIGHTS, "schema_version")
_SHORT_HASH = 12
_LABELS = {WEIGHTS: "weights (SHA-256)", "schema_version": "version of the columns"}
_PATHS = ("source", "audio_root", "segments", "chunks", "find_faces.detector_root")


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
    both = [provenance(path) for path in (old, new)]
    for side, one in zip(("OLD", "NEW"), both, strict=True):
        if one.get(FILTER_KEY):
            said.append(f"{side} went through a filter before: rows that it dropped count as missing.")
        if "resync" in one:
            said.append(f"{side} tells of clips that were put right by `syncqc resync`: its offsets are those of the written files.")
    weights = [one.get("settings", {}).get(WEIGHTS) for one in both]
    if weights[0] != weights[1]:
        said.append(
            "The weights differ: the probability at offset is each network's own scale, so that the same threshold need not be as strict "
            "for both. Compare what is kept and the offsets first."
        )
    return tuple(said)


def _checked(path: Path) -> dict[str, Any]:
    known = provenance(path)
    if next(path.with_name(path.name + ".parts").glob("rows-*.parquet"), None) is not None:
        raise UsageError(f"{path} is not finished; run its `syncqc score` again first")
    version = known.get("schema_version", SCHEMA_VERSION)
    if version > SCHEMA_VERSION:
        raise UsageError(f"{path} holds version {version} of the columns, this syncqc knows {SCHEMA_VERSION}; use a newer syncqc")
    return known


def _flat(known: Mapping[str, Any]) -> dict[str, Any]:
    """Settings beside versions, one name each; every filter by its place."""
    flat = {name: value for name, value in known.items() if name not in ("settings", FILTER_KEY, TRACKS_KEY)}
    flat |= known.get("settings", {})
    for number, one in enumerate(known.get(FILTER_KEY, []), start=1):
        flat[f"filter {number}"] = {name: value for name, value in one.items() if name not in ("manifest", "syncqc")}
    return flat


def _is_said_already(name: str, *known: Mapping[str, Any]) -> bool:
    """Whether it is a stage's copy of a setting of the whole run."""
    _, _, setting = name.rpartition(".")
    return setting != name and all(setting in one and one.get(name, NOT_THERE) == one[setting] for one in known)


def _fact(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Fact:
    differs = (name in old) != (name in new) or old.get(name) != new.get(name)
    return Fact(_LABELS.get(name, name), _text(name, old), _text(name, new), differs)


def _text(name: str, known: Mapping[str, Any]) -> str:
    if name not in known:
        return NOT_THERE
    value = known[name]
    if value is None:
        return "-"
    if name == WEIGHTS:
        return str(value)[:_SHORT_HASH]
    if name in _PATHS or (name in ("model", "score.model") and "/" in str(value)):
        return shortened(str(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def shortened(path: str) -> str:
    """The last two names of a path."""
    names = Path(path).parts
    return path if len(names) <= 2 else "…/" + "/".join(names[-2:])
