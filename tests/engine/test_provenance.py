from __future__ import annotations

import re

import av

from syncqc import __version__
from syncqc.engine.provenance import versions
from syncqc.manifest.columns import SCHEMA_VERSION


def test_what_decides_the_numbers_is_named() -> None:
    found = versions()
    assert (found["schema_version"], found["syncqc"], found["pyav"]) == (SCHEMA_VERSION, __version__, av.__version__)
    assert all(re.match(r"\d+\.\d+", str(found[name])) for name in ("ffmpeg", "torch", "numpy", "onnxruntime", "python"))
