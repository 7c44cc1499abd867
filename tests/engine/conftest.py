"""Makes ``import fake_plan`` work here and, because import paths are handed on, in the reading processes."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
