"""How fast a run learns and how its losses are weighed, batch by batch: warm-up, hold, decay, and a small cosine for tuning.

Knows the settings; nothing of networks or data.
"""

from __future__ import annotations

import math

from syncqc.train.config import TrainConfig


def learning_rate(step: int, config: TrainConfig) -> float:
    """The rate of batch `step`: linear warm-up, hold, a cosine to 1 % of the top; its own cosine to 0 in the tuning phase."""
    if step >= config.n_batches:
        share = (step - config.n_batches) / max(1, config.tune_batches)
        return config.tune_lr * 0.5 * (1 + math.cos(math.pi * share))
    warm = min(1.0, (step + 1) / max(1, config.warmup_batches))
    return config.lr * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * decayed(step, config))))


def decayed(step: int, config: TrainConfig) -> float:
    """How much of the decay is over at batch `step`: 0 while the rate is held, 1 in the tuning phase."""
    if step >= config.n_batches:
        return 1.0
    n = min(config.decay_batches, config.n_batches)
    return min(1.0, max(0.0, (step - config.n_batches + n) / max(1, n)))


def loss_weights(step: int, config: TrainConfig) -> tuple[float, float]:
    """Weights of the binary loss and of InfoNCE at batch `step`."""
    share = decayed(step, config)
    (binary, last_binary), (nce, last_nce) = config.bbce_weight, config.nce_weight
    return binary + (last_binary - binary) * share, nce + (last_nce - nce) * share


def mean_decay(step: int, config: TrainConfig) -> float:
    """How much of the running mean of the weights is kept at batch `step`; less at the beginning, when the weights are of no use yet."""
    return min(config.ema_decay, (step + 1) / (step + 10))
