"""What made a manifest, in labelled text: model, weights, versions, settings, filters and repairs, as its metadata says.

Knows the metadata's layout; no rows. What stands there may be anybody's: every value becomes plain text, paths lose their folders.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from syncqc.manifest import store
from syncqc.manifest.filter import FILTER_KEY
from syncqc.report.words import is_path, last_names

_LIBRARIES = {"python": "Python", "pyav": "PyAV", "ffmpeg": "FFmpeg", "torch": "PyTorch", "numpy": "NumPy", "onnxruntime": "ONNX Runtime"}
_LONGEST = 4_000
_HASH_CHARACTERS = 12


def known_of(manifest: Path) -> dict[str, Any]:
    """The manifest's metadata; empty where it is not a table of names.

    Raises:
        UsageError: the file is missing, no Parquet, or no manifest of syncqc.
    """
    known: object = store.provenance(manifest)
    return known if isinstance(known, dict) else {}


def settings_of(known: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the run that scored it."""
    settings = known.get("settings")
    return settings if isinstance(settings, dict) else {}


def filters_of(known: Mapping[str, Any]) -> list[Any]:
    """What its metadata holds of each filter that its rows went through, the first one first; a table of names if all is well."""
    filters = known.get(FILTER_KEY)
    return filters if isinstance(filters, list) else []


def said_of_repair(name: str) -> str:
    """What a reader must know of a manifest that `syncqc resync` wrote."""
    return f"{name} was written by `syncqc resync`: its offsets are those from before the repair."


def made_by(manifest: Path, known: Mapping[str, Any]) -> dict[str, str]:
    """Label to text, in the order in which they are shown; what is not recorded is left out."""
    settings = settings_of(known)
    weights = settings.get("weights_sha256")
    libraries = [f"{shown} {_text(known[name])}" for name, shown in _LIBRARIES.items() if known.get(name) is not None]
    rest = {name: value for name, value in settings.items() if name not in ("model", "weights_sha256", "source") and value is not None}
    found: dict[str, str | None] = {
        "scored": _named(settings.get("source")),
        "model": _named(settings.get("model", settings.get("score.model"))),
        "weights": None if weights is None else f"sha256 {_text(weights)[:_HASH_CHARACTERS]}",
        "syncqc": _named(known.get("syncqc")),
        "schema": _named(known.get("schema_version")),
        "libraries": ", ".join(libraries) or None,
        "engine": _named(known.get("engine")),
        "finished": _named(known.get("finished_at")),
        "file of": _when(manifest),
    }
    for number, one in enumerate(filters_of(known), 1):
        found[f"filter {number}"] = _settings(one)
    found["resync"] = _settings(known["resync"]) if "resync" in known else None
    found["settings"] = _settings(rest) or None
    return {label: text for label, text in found.items() if text is not None}


def _settings(values: object) -> str:
    if not isinstance(values, Mapping):
        return _text(values)
    return ", ".join(f"{_text(name)} {_named(value)}" for name, value in values.items() if value is not None)[:_LONGEST]


def _named(value: object) -> str | None:
    """The value as text, of a path its last two names."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(_named(one) or "-" for one in value)
    text = _text(value)
    return last_names(text) if is_path(text) else text


def _text(value: object) -> str:
    return store.storable(str(value))[:_LONGEST]


def _when(manifest: Path) -> str:
    return f"{datetime.fromtimestamp(manifest.stat().st_mtime, UTC):%Y-%m-%d %H:%M} UTC"
