"""All that a start-time test depends on besides the clips.

Knows nothing of data or networks.
"""

from __future__ import annotations

from dataclasses import dataclass

from syncqc.errors import UsageError

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class LeakSettings:
    """How clips are chosen and divided, what learns, how it is judged, and when something counts as shown."""

    max_clips: int = 1000
    """Of more clips so many are drawn by lot."""
    reached_by: float = 0.8
    """A trim is half as long as what this share of the clips reaches, at most 5 s; shorter clips are left out."""
    validation_share: float = 0.1
    test_share: float = 0.2
    """Of the clips, whole speakers at a time; the others are learnt from."""
    width: float = 0.25
    """Channels of the ResNet-18, 1 as in the paper."""
    crop_px: int = 64
    """A trim's images are cut to squares of this size, each time elsewhere; in the middle when it is judged."""
    batch: int = 32
    n_batches: int = 4000
    """At most; see `patience`."""
    lr: float = 2e-3
    warmup_batches: int = 100
    weight_decay: float = 0.02
    check_every: int = 200
    """Batches between two looks at the validation clips."""
    patience: int = 6
    """Learning ends when so many looks in a row were no better than the best one, whose weights are the ones judged."""
    n_checked: int = 640
    """Trims in one look."""
    n_judged_per_clip: int = 25
    """Starts of each test clip, drawn by lot."""
    level: float = 0.01
    """It leaks where so good an accuracy, at 1 or at 5, or so clear a comb, would come by chance less often than this."""
    margin: float = 1.0
    """It does not leak where an accuracy at 1 of chance times one more than this would have been seen."""
    min_learnt: int = 100
    """Clips to learn from without which not finding anything means nothing."""
    min_judged: int = 5
    """Speakers (or clips, where none are named) to judge on without which nothing is learnt and nothing said."""
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuses what cannot work.

        Raises:
            UsageError: a value out of its range.
        """
        whole = {"max_clips": 3, "crop_px": 32, "batch": 2, "n_batches": 1, "n_judged_per_clip": 1, "check_every": 1, "patience": 1}
        for name, least in whole.items():
            if getattr(self, name) < least:
                raise UsageError(f"{_option(name)} must be {least} or more, not {getattr(self, name)}")
        if not 0.05 <= self.width <= 2:
            raise UsageError(f"--width must be from 0.05 to 2, not {self.width:g}")
        if self.device not in DEVICES:
            raise UsageError(f"--device must be one of {', '.join(DEVICES)}, not {self.device}")


def _option(name: str) -> str:
    return {"n_batches": "--batches"}.get(name, "--" + name.replace("_", "-"))
