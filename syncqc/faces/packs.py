"""Where insightface's model packs lie, and which file of a pack is its face detector.

Loads and downloads nothing, and does not import insightface.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from syncqc.errors import UsageError, unknown_name

DEFAULT_PACK = "buffalo_l"
KNOWN_PACKS = ("antelopev2", "buffalo_l", "buffalo_m", "buffalo_s", "buffalo_sc", "raccoon_l", "raccoon_s")
"""Packs published by insightface; any other folder with a detection network will do."""
DEFAULT_ROOT = Path("~/.insightface")
"""Where insightface itself looks."""
_DOWNLOADS = "https://github.com/deepinsight/insightface/releases/download/model-zoo"
_LICENCE = "its weights are for non-commercial research only"


def check_installed() -> None:
    """Raises a `UsageError` where insightface is not installed."""
    if importlib.util.find_spec("insightface") is None:
        raise UsageError("the detector 'insightface' needs a package that is not installed: pip install 'syncqc[insightface]'.")


def find_pack(pack: str, root: Path | None = None) -> Path:
    """The folder that holds the detection network of `pack`: <root>/models/<pack> or <root>/<pack>.

    Without `root` it is looked for in ~/.insightface. A folder of the same name inside, as some archives unpack, is
    found too.

    Raises:
        UsageError: there is none, with the places that were looked at and what to download by hand.
    """
    base = (DEFAULT_ROOT if root is None else root).expanduser()
    places = [base / "models" / pack] + ([] if root is None else [base / pack])
    for place in places:
        for folder in (place, place / pack):
            if detection_file(folder) is not None:
                return folder
    looked = " and ".join(str(place) for place in places)
    if pack in KNOWN_PACKS:
        remedy = f"download {_DOWNLOADS}/{pack}.zip by hand and unpack it into {places[0]} ({_LICENCE})."
    elif any(place.is_dir() for place in places):
        remedy = "a pack holds one file det_*.onnx or scrfd*.onnx."
    else:
        raise unknown_name("insightface pack", pack, {*KNOWN_PACKS, *_folders(base / "models"), *(_folders(base) if root else ())})
    raise UsageError(f"no detection network of insightface's pack {pack!r} in {looked}; {remedy}")


def detection_file(folder: Path) -> Path | None:
    """The detection network in `folder`: the one its manifest names, or the one called det_*.onnx or scrfd*.onnx.

    Raises:
        UsageError: there are several, and nothing says which.
    """
    if (declared := declared_file(folder)) is not None:
        return declared
    files = sorted({*folder.glob("det_*.onnx"), *folder.glob("scrfd*.onnx")})
    if len(files) > 1:
        raise UsageError(f"{folder} holds more than one detection network ({', '.join(file.name for file in files)}); leave one.")
    return files[0] if files else None


def declared_file(folder: Path) -> Path | None:
    """What a manifest of version 2 declares; other manifests are ignored, as insightface ignores them."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if manifest["manifest_version"] != 2:
            return None
        file = folder / manifest["tasks"]["detection"]["file"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return file if file.is_file() else None


def _folders(parent: Path) -> list[str]:
    return [entry.name for entry in parent.iterdir() if entry.is_dir()] if parent.is_dir() else []
