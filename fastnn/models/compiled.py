"""What ``compile`` was given, checked: the model's own copies of optimizer, loss and metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.basics.checks import number
from fastnn.catalogue import resolve
from fastnn.engine.program import Program
from fastnn.layers import Layer
from fastnn.layers.base import Shape
from fastnn.losses import Loss, as_loss
from fastnn.metrics import Metric, as_metric
from fastnn.models.output_check import check_outputs
from fastnn.optimizers import Optimizer

AnyMetric = str | Metric | type[Metric] | Callable[..., Any]
TAKEN = ("loss", "epoch", "learning_rate")  # what histories and files of logs hold beside metrics


class Compiled:
    """Optimizer, loss and its weight, metrics, and the positions of the layers that are not trained (``frozen``)."""

    def __init__(
        self,
        optimizer: Optimizer,
        loss: Loss,
        metrics: list[Metric],
        frozen: frozenset[int],
        loss_weight: float = 1.0,
    ) -> None:
        self.optimizer, self.loss, self.metrics, self.frozen = optimizer, loss, metrics, frozen
        self.loss_weight = loss_weight

    @property
    def weighted(self) -> list[str]:
        """The names of the metrics that count samples with their weights."""
        return [metric.name for metric in self.metrics if metric.weighted]

    def check(self, layers: list[Layer], program: Program, shape: Shape) -> None:
        """Refuses a loss or metric that makes no sense for these outputs; shape: those of a sample."""
        self.check_outputs(layers, program, shape)
        for metric in self.metrics:
            metric.prepare(self.loss, program.outputs)
            if len(shape) > 1 and not metric.suits_maps(shape[-1]):
                raise ValueError(
                    f"metric {metric.name!r} takes one row of outputs for each sample, but those of layer"
                    f" {layers[-1].name!r} have the shape {shape}; use 'binary_accuracy', or put Flatten() or a global"
                    " pooling before the last Dense"
                )

    def check_outputs(self, layers: list[Layer], program: Program, shape: Shape) -> None:
        """Refuses a loss that makes no sense for these outputs."""
        check_outputs(layers, program, self.loss, shape)


def compiled(
    optimizer: Any, loss: Any, metrics: Any, loss_weights: Any, weighted_metrics: Any, frozen: frozenset[int]
) -> Compiled:
    """From the arguments of ``Sequential.compile``, or an error that says which is wrong."""
    new_optimizer = resolve("optimizer", optimizer, Optimizer).copied()
    new_loss = _loss(loss)
    weighted = _metrics("weighted_metrics", weighted_metrics)
    new_metrics = _named([*_metrics("metrics", metrics), *weighted], len(weighted))
    factor = _loss_weight(loss_weights)
    for metric in weighted:
        if type(metric).update is not Metric.update:
            raise TypeError(
                f"metric {metric.name!r} has an update of its own, which takes no weights; give it in metrics"
            )
        vars(metric)["weighted"] = factor  # which the samples' weights carry
    return Compiled(new_optimizer, new_loss, new_metrics, frozen, factor)


def _loss_weight(given: Any) -> float:
    if isinstance(given, (list, tuple, dict)):
        if len(given) != 1:
            raise ValueError(f"loss_weights must be one number, as there is one loss, got {given!r}")
        given = next(iter(given.values() if isinstance(given, dict) else given))
    return 1.0 if given is None else number("compile: loss_weights", given, 0)


def _loss(given: Any) -> Loss:
    if given is None:
        raise ValueError("compile needs a loss, for instance loss='mse'")
    if isinstance(given, (list, tuple, dict)):
        one = next(iter(given.values() if isinstance(given, dict) else given), "mse")
        raise TypeError(
            f"loss must be one loss, got {given!r}: a model of fastnn has one output layer, and so one loss; write"
            f" loss={one!r}"
        )
    loss = resolve("loss", as_loss(given), Loss).copied()
    if type(loss).evaluate is Loss.evaluate:
        raise TypeError(f"loss {type(loss).__name__} has no formula: write evaluate(a, t)")
    return loss


def _named(metrics: list[Metric], weighted: int) -> list[Metric]:
    """Each with a name of its own, as Keras gives them: weighted_accuracy beside accuracy; precision, precision_1."""
    names: list[str] = []
    for place, metric in enumerate(metrics):
        name = metric.name
        if name in names and place >= len(metrics) - weighted:
            name = f"weighted_{name}"
        free = (name, *(f"{name}_{i}" for i in range(1, len(metrics))))
        names.append(next(one for one in free if one not in names))
        metric.name = names[-1]
    return metrics


def _metrics(what: str, given: Any) -> list[Metric]:
    """Objects with the names that the user typed; those of objects and functions are their own."""
    given = () if given is None else given
    if not isinstance(given, (list, tuple)):
        hint = f"; write {what}=[{given!r}]" if isinstance(given, (str, Metric, type)) else ""
        raise TypeError(f"{what} must be a list of names or metrics, got {given!r}{hint}")
    if len(given) == 1 and isinstance(given[0], (list, tuple)):  # a list for each output, of which there is one
        given = given[0]
    metrics = []
    for one in given:
        metric = resolve("metric", as_metric(one), Metric).copied()
        if isinstance(one, str):
            metric.name = one
        name = metric.name
        if not isinstance(name, str) or not name or name in TAKEN or name.startswith("val_"):
            raise ValueError(
                f"a metric cannot be named {name!r}: a name is a key of the history and of the results beside the loss,"
                f" and {', '.join(map(repr, TAKEN))} and val_... stand for other numbers there; give it another name"
            )
        metrics.append(metric)
    return metrics
