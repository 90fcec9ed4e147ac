"""Estimators for other programs: their network between the scaling of X and that of y, and their classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn import operations
from fastnn.exporting.frozen import Frozen, Step, frozen
from fastnn.losses import GaussianNLL


def frozen_estimator(estimator: Any, dtype: str | None = None) -> Frozen:
    """What ``predict`` and ``predict_proba`` do, as operations."""
    network, kind = estimator._network_now(), type(estimator).__name__
    columns = network.program.outputs
    found = frozen(network, (network.program.inputs,), (columns,), kind.lower()).as_dtype(dtype)
    if estimator.scale is not None:
        centre, scale = _scaling(estimator._x_scaler)
        found.steps.insert(0, _affine(found, network.program.inputs, centre, 1 / scale, 0.0))
    if hasattr(estimator, "classes_"):
        return _classifier(found, estimator)
    found.task = "regressor"
    levels = max(1, len(estimator._levels()))
    chosen = np.arange(columns // 2 if isinstance(estimator._objective.loss, GaussianNLL) else columns)
    if estimator._levels():  # the quantile nearest to the median
        chosen = chosen[int(np.abs(np.array(estimator._levels()) - 0.5).argmin()) :: levels]
    if len(chosen) < columns:
        picked = np.eye(columns, dtype=found.dtype)[:, chosen]
        found.steps.append((operations.Dense(columns, len(chosen)), [picked, np.zeros(len(chosen), found.dtype)]))
        found.output_shape = (len(chosen),)
    scaler = estimator._scaler()
    if scaler is not None:
        centre, scale = _scaling(scaler)
        found.steps.append(_affine(found, len(chosen), 0.0, scale, centre))
    return found


def _classifier(found: Frozen, estimator: Any) -> Frozen:
    kind = type(estimator).__name__
    if isinstance(estimator.classes_, list):
        raise TypeError(
            f"{kind} with several columns of classes cannot be exported; its logits can: estimator.to_sequential()"
        )
    if len(estimator.classes_) < 2:
        raise ValueError(f"{kind} has learnt one class only, {estimator.classes_[0]!r}; there is nothing to export")
    found.limit = 0.0 if estimator.out_activation_ == "identity" else 0.5
    found.task = "classifier"
    return found if estimator._kind.startswith("multilabel") else found.as_classifier(estimator.classes_)


def _scaling(scaler: Any) -> tuple[Any, Any]:
    """Centre and scale of one of scikit-learn's scalers."""
    centre = vars(scaler).get("mean_", vars(scaler).get("center_"))
    if not getattr(scaler, "with_mean", getattr(scaler, "with_centering", True)):
        centre = None
    return np.zeros(len(scaler.scale_)) if centre is None else centre, scaler.scale_


def _affine(found: Frozen, columns: int, centre: Any, scale: Any, offset: Any) -> Step:
    """(x - centre) scale + offset; what rounds away of the centre is in the offset."""
    near = np.broadcast_to(centre, columns).astype(found.dtype)
    offset = offset - (centre - near.astype(np.float64)) * scale
    full = [np.broadcast_to(one, columns).astype(found.dtype) for one in (scale, offset, near, 1.0)]
    return operations.BatchNormalization(columns, columns, bias=True, epsilon=0.0), full
