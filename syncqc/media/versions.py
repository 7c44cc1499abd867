"""Which decoder this is: what a picture or a sample looks like depends on it, so manifests record it."""

from __future__ import annotations

import av


def decoder_versions() -> dict[str, str]:
    """Versions of PyAV and of the FFmpeg it was built with."""
    return {"pyav": av.__version__, "ffmpeg": av.ffmpeg_version_info}
