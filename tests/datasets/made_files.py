"""Folders with empty files, for listings that open none."""

from __future__ import annotations

from pathlib import Path


def make(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root
