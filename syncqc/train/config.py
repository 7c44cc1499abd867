"""Settings of a training run: one dataclass, read from TOML, saved beside the weights.

Knows nothing of data or networks.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from syncqc.errors import UsageError, unknown_name


@dataclass(frozen=True)
class TrainConfig:
    """All a run depends on besides its data."""

    net: str = "ic-syncnet.small"
    seed: int = 0
    n_batches: int = 6000
    tune_batches: int = 400
    """Drop-and-tune (IC-SyncNet §3.1): batches at the end with DropBlock off and only batch norm trained."""
    n_segments: int = 12
    """Face tracks per batch; windows of other tracks are the easy negatives."""
    n_windows: int = 8
    """Windows per track; the others of the same track are the hard negatives."""
    min_gap_images: int = 2
    """Two windows of a track lie at least this far apart: a shift of one image counts as right."""
    span_images: int = 60
    """All windows of a track lie within so many images."""
    lr: float = 1e-3
    tune_lr: float = 2e-4
    weight_decay: float = 0.02
    warmup_batches: int = 200
    easy_weight: float = 0.25
    """w_e of Eq. 8."""
    nce_weight: tuple[float, float] = (1.0, 0.3)
    """Weight of InfoNCE over a track's windows at the start and at the end of training."""
    bbce_weight: tuple[float, float] = (0.5, 1.0)
    """Weight of BBCE (Eq. 8) at the start and at the end."""
    quiet_share: float = 0.25
    """How often a window 40 dB below the track's loud ones is taken, relative to the others."""
    sound_jitter_samples: int = 128
    """The sound of a track is moved by up to this, far less than an image."""
    dropblock_rate: float = 0.1
    max_tracks: int = 1
    """Parts that show more faces than this are left out: nobody says who speaks."""
    source_weights: dict[str, float] = field(default_factory=dict)
    """How often a second of a source is seen, relative to the others; 1 where not named."""
    validate_every: int = 500
    save_every: int = 250
    log_every: int = 50
    n_threads: int = 2


def load_config(path: Path) -> TrainConfig:
    """The settings in a TOML file.

    Raises:
        UsageError: not readable as TOML, an unknown key, or a value of the wrong type.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    return from_values(values)


def from_values(values: dict[str, Any]) -> TrainConfig:
    """The settings with these values in place of the defaults.

    Raises:
        UsageError: an unknown key, or a value of the wrong type.
    """
    known = {f.name: f for f in fields(TrainConfig)}
    default = TrainConfig()
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise unknown_name("setting", name, known)
        want = type(getattr(default, name))
        given = (
            tuple(value) if want is tuple and isinstance(value, list) else float(value) if want is float and type(value) is int else value
        )
        if not isinstance(given, want):
            raise UsageError(f"setting {name!r} takes a {want.__name__}, got {value!r}")
        checked[name] = given
    return TrainConfig(**checked)
