"""A classifier trained in seconds on labelled data, whose features serve as a yardstick."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from probgen.declare.environment import isolated
from probgen.diagnose.metrics.features import as_array, check_finite
from probgen.diagnose.metrics.settings import check_seed, check_whole
from probgen.errors import DataError
from probgen.nets.extractors.classifier import Classifier, ClassifierNetwork

__all__ = ["classifier", "digit_classifier"]

_BATCH, _HELD_OUT, _STEPS, _LEAST_EPOCHS = 128, 0.2, 500, 3
_LEARNING_RATE, _DECAY = 5e-3, 1e-2


def classifier(
    x: Any,
    y: Any,
    seed: int = 0,
    features: int = 64,
    steps: int = _STEPS,
    name: str = "classifier",
) -> Classifier:
    """Train a small classifier of labelled cases, as an extractor of features.

    A fifth of the rows is kept out of training and gives its `accuracy`, which scores name. Give
    rows other than those that samples will be held against where there are enough: features of
    rows it has learned differ a little from those of new ones.

    Args:
        x: cases, (row, entry), (row, height, width) or (row, channel, height, width).
        y: labels, (row,), of any kind.
        seed: of its weights, batches, and of which rows are held out.
        features: width of the layer that is the features; FID needs more rows than these.
        steps: of Adam, 128 rows each (three passes over the data at least).
        name: what scores call it.

    Raises `DataError` for rows with NaN, rows without a label each, or labels with fewer than
    5 rows, naming them.
    """
    check_seed(seed)
    check_whole(2, features=features)
    check_whole(10, steps=steps)
    raw, labels = as_array(x, "x"), _labels(y)
    check_finite(raw, "x")
    if not 2 <= raw.ndim <= 4:
        raise DataError(
            f"x is of shape {raw.shape}; (row, entry), (row, height, width) or (row, channel, "
            "height, width) was expected."
        )
    if labels.shape != raw.shape[:1]:
        raise DataError(f"y is of shape {labels.shape}: one label for each of {len(raw)} rows.")
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) < 2 or counts.min() < 5:
        few = ", ".join(f"{c} ({n})" for c, n in zip(classes, counts, strict=True) if n < 5)
        raise DataError(
            f"y: 2 labels or more are needed, with 5 rows or more each; there are {len(classes)}"
            + (f", and these have fewer: {few}." if few else ".")
        )
    values, targets = torch.as_tensor(raw).float(), torch.as_tensor(codes)
    with isolated(seed):
        held_out = _held_out(codes, np.random.default_rng(seed))
        network = ClassifierNetwork(tuple(raw.shape[1:]), len(classes), features)
        _standardise(network, values[~held_out])
        _train(network, values[~held_out], targets[~held_out], steps)
    trained = Classifier(network, 0.0, classes, name)
    network.size.fill_(float(trained.features(values).square().mean()) ** 0.5)
    right = trained.logits(values[held_out]).argmax(dim=1) == targets[held_out]
    return Classifier(network, float(right.double().mean()), classes, name)


def digit_classifier(seed: int = 0) -> Classifier:
    """The classifier of 8x8 digits (scikit-learn's), values from -1 to 1, any shape of 64 entries.

    Trained on its first call, on the 1200 digits that the zoo's models are trained on, and kept.
    """
    check_seed(seed)
    return _of_digits(int(seed))


def _labels(y: Any) -> np.ndarray:
    """Labels of one kind, (row,), that can be told apart."""
    try:
        found = np.asarray(y.detach().cpu() if hasattr(y, "detach") else y)
        found = found.astype(str) if found.dtype.kind == "O" else found
    except (TypeError, ValueError) as error:
        raise DataError(f"y: one label for each row was expected: {error}") from error
    if found.dtype.kind == "f" and (missing := int(np.isnan(found).sum())):
        raise DataError(f"y: {missing} of {found.size} labels are NaN; leave these rows out.")
    return found


@cache
def _of_digits(seed: int) -> Classifier:
    from probgen.models import _digits

    x = _digits.grey("train").reshape(-1, 8, 8) / 8 - 1
    return classifier(x, _digits.labels("train"), seed, name="8x8 digit classifier")


def _held_out(codes: np.ndarray, rng: np.random.Generator) -> Tensor:
    """A fifth of the rows of every class, at least one."""
    chosen = np.zeros(len(codes), bool)
    for code in range(codes.max() + 1):
        rows = rng.permutation(np.flatnonzero(codes == code))
        chosen[rows[: max(1, round(_HELD_OUT * len(rows)))]] = True
    return torch.as_tensor(chosen)


def _standardise(network: ClassifierNetwork, x: Tensor) -> None:
    network.lowest.fill_(float(x.min()))
    network.highest.fill_(float(x.max()))
    network.centre.fill_(float(x.mean()))
    network.scale.fill_(max(float(x.std()), 1e-12))


def _train(network: ClassifierNetwork, x: Tensor, y: Tensor, steps: int) -> None:
    steps = max(steps, _LEAST_EPOCHS * len(x) // _BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, steps)
    network.train()
    order = torch.randperm(len(x))
    for step in range(steps):
        start = step * _BATCH % len(x)
        if start < _BATCH:
            order = torch.randperm(len(x))
        rows = order[start : start + _BATCH]
        loss = nn.functional.cross_entropy(network(x[rows])[1], y[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
