"""The last layer of a network fitted to the end: regularised softmax regressions on the features before it.

Few steps of training leave a last layer half-way; its optimum for given features is a convex problem of seconds.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from training.data import Floats

PENALTIES: Final = (3e-4, 3e-3, 3e-2)
"""Of the squared weights; the one with the least cross entropy on pictures of other people is taken."""
SOFT: Final = 0.02
"""Chance of every label at least, which keeps logits small."""
STEPS: Final = 800
"""Of accelerated gradient descent."""


def best(known: tuple[Floats, Any], other: tuple[Floats, Any], classes: int) -> tuple[Floats, Floats]:
    """Kernel [K,C] and bias [C] fitted on (features [N,K], labels [N]), chosen on others."""
    fits = [softmax(*known, classes, penalty) for penalty in PENALTIES]
    return min(fits, key=lambda fit: cross_entropy(other[0] @ fit[0] + fit[1], other[1]))


def softmax(features: Floats, labels: Any, classes: int, penalty: float) -> tuple[Floats, Floats]:
    """Kernel and bias with the least cross entropy plus `penalty` times the squared weights of standardised features."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-4
    known = np.concatenate([(features - mean) / spread, np.ones((len(features), 1))], axis=1)
    wanted = SOFT + (1 - SOFT * classes) * np.eye(classes)[np.asarray(labels, int)]
    decay = 2 * penalty * np.append(np.ones(len(mean)), 0)[:, None]
    steepest = 0.5 * float(np.linalg.eigvalsh(known.T @ known / len(known))[-1]) + 2 * penalty
    weights = ahead = np.zeros((known.shape[1], classes))
    for step in range(STEPS):
        slope = known.T @ (chances(known @ ahead) - wanted) / len(known) + decay * ahead
        before, weights = weights, ahead - slope / steepest
        ahead = weights + step / (step + 3) * (weights - before)
    kernel = weights[:-1] / spread[:, None]
    return np.asarray(kernel, np.float32), np.asarray(weights[-1] - mean @ kernel, np.float32)


def chances(logits: Any) -> Any:
    """Softmax over the last axis, [N,C]."""
    found = np.exp(logits - logits.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


def cross_entropy(logits: Any, labels: Sequence[int] | Any) -> float:
    """Mean over logits [N,C] and labels [N]."""
    top = logits.max(axis=1, keepdims=True)
    own = logits[np.arange(len(logits)), np.asarray(labels, int)]
    return float(np.mean(np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0] - own))
