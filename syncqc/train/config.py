"""Settings of a training run: one dataclass, read from TOML, saved beside the weights.

Knows nothing of data or networks.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from syncqc.clock import WINDOW_IMAGES
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
    min_offset_frames: dict[str, float] = field(default_factory=dict)
    """By source: tracks whose measured offset is smaller are left out."""
    max_offset_frames: dict[str, float] = field(default_factory=dict)
    """By source: tracks whose measured offset is larger are left out."""
    validate_every: int = 500
    save_every: int = 250
    log_every: int = 50
    n_threads: int = 2

    def __post_init__(self) -> None:
        """Refuses what no batch can be made of.

        Raises:
            UsageError: fewer than two windows per track, or windows that do not fit into the span.
        """
        if self.n_windows < 2:
            raise UsageError(f"n_windows must be at least 2, so that a track has hard negatives, not {self.n_windows}")
        if self.span_images < images_needed(self):
            raise UsageError(f"span_images must be at least {images_needed(self)} for {self.n_windows} windows, not {self.span_images}")


def images_needed(config: TrainConfig) -> int:
    """How many images a track must have so that its windows find room, wherever chance puts the first ones."""
    return config.n_windows * config.min_gap_images + WINDOW_IMAGES + 2


def load_config(path: Path) -> TrainConfig:
    """The settings in a TOML file.

    Raises:
        UsageError: not readable as TOML, an unknown key, or a value of the wrong type.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from error
    return from_values(values)


def from_values(values: dict[str, Any]) -> TrainConfig:
    """The settings with these values in place of the defaults.

    Raises:
        UsageError: an unknown key, or a value of the wrong type.
    """
    known = {f.name for f in fields(TrainConfig)}
    default = TrainConfig()
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise unknown_name("setting", name, known)
        checked[name] = _of_type(name, getattr(default, name), value)
    return TrainConfig(**checked)


def _of_type(name: str, default: object, value: object) -> object:
    """The value in the type of the default; whole numbers pass for numbers, lists for pairs.

    Raises:
        UsageError: it has another type.
    """
    wanted = type(default).__name__
    if isinstance(default, tuple):
        wanted = f"{len(default)} numbers"
        if isinstance(value, list | tuple) and len(value) == len(default):
            return tuple(_of_type(name, one, given) for one, given in zip(default, value, strict=True))
    elif isinstance(default, dict):
        if isinstance(value, dict):
            return {key: _of_type(f"{name}.{key}", 1.0, given) for key, given in value.items()}
    elif isinstance(default, float):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif type(value) is type(default):
        return value
    raise UsageError(f"setting {name!r} takes {wanted}, got {value!r}")
