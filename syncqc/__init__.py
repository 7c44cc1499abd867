"""syncqc measures whether the voice and the lips of a video belong together, over whole datasets.

Importing it loads nothing heavy: every room imports its own libraries when it is used.
"""

from __future__ import annotations

__version__ = "0.1.0"
