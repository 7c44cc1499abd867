"""Which versions made a manifest; knows the names of libraries, not what they do."""

from __future__ import annotations

import platform
from importlib import metadata

from syncqc import __version__
from syncqc.manifest.columns import SCHEMA_VERSION
from syncqc.media.versions import decoder_versions


def versions() -> dict[str, str | int]:
    """Versions of the manifest's schema, of syncqc, of the decoder and of the libraries that make the numbers."""
    return {
        "schema_version": SCHEMA_VERSION,
        "syncqc": __version__,
        **decoder_versions(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("torch", "numpy", "onnxruntime")},
    }
