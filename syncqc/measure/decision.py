"""In which windows the face is the speaker, decided for a whole track at once.

::

    evidence       + + + - + + + + - - - + - - - - - - -     of each window: cosine at the offset over tau, minus the threshold
    probability    1 1 1 1 1 1 1 .9 .5 .2 0 .1 0 0 0 0 0     what the window and all others of the track say together
    decided        [       T         ] [      F        ]     one change, not five: a single window may err

A speaker goes on speaking: from one window to the next the face rarely changes between speaking and not. So a window is judged together
with the others, near ones most (a chain of two states). A network's windows overlap and err together, so that each adds less than it would
alone: the weight, the threshold and how rare a change is belong to a checkpoint. Knows no clip, and not how the offset was found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np
import numpy.typing as npt

from syncqc.errors import UsageError, unknown_name

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Decision:
    """What one window says about whether the face is the speaker, and how rarely that changes.

    The defaults are for a checkpoint for which they were never fitted.
    """

    weight: float = 0.1
    """Log odds that a window adds per unit of its cosine over tau."""
    threshold_logit: float = 0.0
    """Cosine over tau at which a window says nothing."""
    change_probability: float = 0.03
    """Probability that speaking begins or ends from one window to the next, above 0 and at most 0.5."""

    def __post_init__(self) -> None:
        """Refuses what no decision can work with.

        Raises:
            UsageError: a number is not finite, more agreement would speak against the face, or a change is likelier than none.
        """
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise UsageError(f"{name} of a decision must be a finite number, not {value!r}")
        if self.weight <= 0:
            raise UsageError(f"weight of a decision must be above 0, got {self.weight}")
        if not 0 < self.change_probability <= 0.5:
            raise UsageError(f"change_probability of a decision must be above 0 and at most 0.5, got {self.change_probability}")

    @classmethod
    def from_json(cls, stored: object) -> Decision:
        """The decision whose fields were stored as a dictionary.

        Raises:
            UsageError: an unknown or missing key, or a number that is none.
        """
        expected = [field.name for field in fields(cls)]
        if not isinstance(stored, Mapping):
            raise UsageError(f"a decision is a table with {', '.join(expected)}, not {stored!r}")
        for key in stored:
            if key not in expected:
                raise unknown_name("key of a decision", str(key), expected)
        for key in expected:
            if key not in stored:
                raise UsageError(f"the decision lacks {key!r}")
        return cls(**stored)

    def probability(self, logits: F64) -> F64:
        """Probability per window that the face is the speaker, (..., n), from cosines over tau (..., n).

        A window without a cosine (NaN) says nothing itself; its probability is what the others say.
        """
        evidence = self.weight * (logits - self.threshold_logit)
        odds = chained_log_odds(np.where(np.isnan(logits), 0, evidence), self.change_probability)
        return np.asarray(0.5 * (1 + np.tanh(0.5 * odds)))


def chained_log_odds(evidence: F64, change_probability: float) -> F64:
    """Log odds of True at each place, (..., n), given the evidence at all places of a chain that rarely changes.

    `evidence` is (..., n), the log odds that each place would have by itself. Places without evidence (0) at the end change nothing.

    Source: the forward-backward algorithm for two states, in log odds.
    """
    stays, changes = math.log(1 - change_probability), math.log(change_probability)

    def next_to(odds: F64) -> F64:
        return np.asarray(np.logaddexp(odds + stays, changes) - np.logaddexp(odds + changes, stays))

    n = evidence.shape[-1]
    before, after = np.zeros_like(evidence), np.zeros_like(evidence)
    for j in range(1, n):
        before[..., j] = next_to(evidence[..., j - 1] + before[..., j - 1])
        after[..., n - 1 - j] = next_to(evidence[..., n - j] + after[..., n - j])
    return before + evidence + after
