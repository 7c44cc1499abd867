"""Makes ``import miniature`` and ``import seen_by`` work here."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
