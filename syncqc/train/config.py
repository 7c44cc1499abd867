"""Settings of a training run: one dataclass, read from TOML, saved beside the weights.

Knows nothing of data or networks.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from syncqc.clock import ALIGNED_MEL, WINDOW_IMAGES, WINDOW_MEL
from syncqc.errors import UsageError, unknown_name

CHOICES = {
    "precision": ("float32", "bfloat16"),
    "device": ("auto", "cpu", "cuda"),
    "binary_loss": ("bbce", "bce"),
    "augmentation": ("full", "placement"),
}
"""What may stand in the settings that are one of a few words."""


@dataclass(frozen=True)
class TrainConfig:
    """All a run depends on besides its data."""

    net: str = "ic-syncnet.small"
    mel_columns: int = WINDOW_MEL
    """T_a: mel columns the audio encoder reads, 32, or the 16 aligned with the images (IC-SyncNet §3.3)."""
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
    adam_betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.02
    """AdamW's; 0 makes it Adam."""
    warmup_batches: int = 200
    decay_batches: int = 3000
    """The learning rate is held after the warm-up and falls to 1 % over so many batches at the end of `n_batches`."""
    ema_decay: float = 0.998
    """The weights kept are a running mean of the trained ones; 0 keeps these themselves."""
    precision: str = "float32"
    """`bfloat16` runs the encoders in mixed precision."""
    compile: bool = False
    """Compiles the encoders: worth its minute or two in runs of an hour and more."""
    device: str = "auto"
    """`auto` is CUDA where there is one."""
    binary_loss: str = "bbce"
    """`bbce` is Eq. 8; `bce` compares every window with one sound only, by a coin its own or one of its track's others."""
    n_hard: int = -1
    """N_h: windows of the same track drawn per window as negatives; -1 takes all."""
    n_easy: int = -1
    """N_e: windows of other tracks drawn per window as negatives; -1 takes all."""
    easy_weight: float = 0.25
    """w_e of Eq. 8."""
    nce_easy: bool = False
    """InfoNCE ranks the positive over the easy negatives too (IC-SyncNet, Table 4), not over the hard ones alone."""
    nce_both_ways: bool = True
    """InfoNCE also ranks pictures for a sound; Eq. 9 ranks sounds for a picture alone."""
    nce_weight: tuple[float, float] = (1.0, 0.3)
    """Weight of InfoNCE while the learning rate is held, and at the end of its decay."""
    bbce_weight: tuple[float, float] = (0.5, 1.0)
    """Weight of the binary loss while the learning rate is held, and at the end of its decay."""
    quiet_share: float = 0.25
    """How often a window 40 dB below the track's loud ones is taken, relative to the others."""
    sound_jitter_samples: int = 128
    """The sound of a track is moved by up to this, far less than an image."""
    augmentation: str = "full"
    """`placement` moves, scales, turns and mirrors pictures and leaves colours and sound as they are."""
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
    n_loader_workers: int = 1
    """Processes that make batches beside the one that learns; 0 makes them there. Every number gives the same batches."""

    def __post_init__(self) -> None:
        """Refuses what no batch or no loss can be made of.

        Raises:
            UsageError: a word that is none of the choices, windows that do not fit into the span, more negatives than a batch holds, or
                losses without weight or without negatives.
        """
        for name, words in CHOICES.items():
            if getattr(self, name) not in words:
                raise unknown_name(name, getattr(self, name), words)
        if self.mel_columns not in (ALIGNED_MEL, WINDOW_MEL):
            raise UsageError(f"mel_columns is {ALIGNED_MEL} or {WINDOW_MEL}, not {self.mel_columns}")
        if self.n_windows < 2:
            raise UsageError(f"n_windows must be at least 2, so that a track has hard negatives, not {self.n_windows}")
        if self.span_images < images_needed(self):
            raise UsageError(f"span_images must be at least {images_needed(self)} for {self.n_windows} windows, not {self.span_images}")
        for name, most in (("n_hard", self.n_windows - 1), ("n_easy", (self.n_segments - 1) * self.n_windows)):
            if not -1 <= getattr(self, name) <= most:
                raise UsageError(f"{name} must be -1 (all) to {most} in batches of this size, not {getattr(self, name)}")
        if self.n_hard == 0 and (self.binary_loss == "bce" or self.n_easy == 0):
            raise UsageError("n_hard = 0 leaves the binary loss without negatives")
        if self.n_hard == 0 and any(self.nce_weight) and not self.nce_easy:
            raise UsageError("n_hard = 0 leaves InfoNCE without negatives; set nce_easy, or nce_weight to [0, 0]")
        if any(ends == (0, 0) for ends in zip(self.bbce_weight, self.nce_weight, strict=True)):
            raise UsageError("bbce_weight and nce_weight are both 0 at the same time, so that nothing would be learnt")


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
