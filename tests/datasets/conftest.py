"""Folders of empty files, for listings that open none; `made_files` is beside this file."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
