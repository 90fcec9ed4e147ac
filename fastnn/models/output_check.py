"""Whether a loss makes sense behind the outputs of a model: what ``compile`` refuses, and what to do instead."""

from __future__ import annotations

from fastnn import activations
from fastnn.engine.program import Program
from fastnn.layers import Layer
from fastnn.losses import CosineSimilarity, Crossentropy, Loss
from fastnn.operations import Elementwise, Permutation, Rowwise


def check_outputs(layers: list[Layer], program: Program, loss: Loss, shape: tuple[int, ...]) -> None:
    """Raises ValueError where the loss would be computed from something else than it means, or could never change.

    Refused are outputs that are constant, losses of classes with one output, a crossentropy or divergence of outputs
    that are no probabilities, and probabilities in place of logits: docs/decisions/losses-and-outputs.md. Behind maps
    there are only losses that take each number by itself. shape: of a sample's output.
    """
    changing = (op for op in reversed(program.steps) if not (op.random or isinstance(op, Permutation)))  # in predict
    last = next(changing, program.steps[-1])
    f, name = last.activation, layers[last.layer].name
    if len(shape) > 1 and not loss.elementwise:
        raise ValueError(
            f"{loss.name} takes one row of outputs for each sample, but those of layer {layers[-1].name!r} have the"
            f" shape {shape}; put Flatten() or a global pooling before the last Dense"
        )
    binary = loss.binary
    if program.outputs < 2 and loss.outputs != "numbers" and not binary:
        raise ValueError(
            f"{loss.name} needs an output for each class, at least 2; the model has {program.outputs}. For two classes"
            " with one output use loss='binary_crossentropy' behind a sigmoid"
        )
    if program.outputs < 2 and f.blockwise:
        raise ValueError(
            f"{f.name} of one output, that of layer {name!r}, never changes, and neither can the loss; use"
            " activation='sigmoid', or an output for each class"
        )
    if program.outputs < 2 and isinstance(loss, CosineSimilarity):
        raise ValueError(
            f"{loss.name} of one output is 1 or -1, and has no derivative; use loss='mse', or more outputs"
        )
    if isinstance(f, activations.Step):
        raise ValueError(
            f"layer {name!r} ends with a step, whose derivative is 0, so that the loss can never change; use"
            " activation='sigmoid', or fastnn.Perceptron"
        )
    if loss.outputs == "numbers":
        return
    if loss.from_logits:
        if f.probabilities:
            raise ValueError(
                f"{loss.name} has from_logits=True, but layer {name!r} ends with {f.name}, whose outputs are"
                " probabilities; leave from_logits out (behind a sigmoid or softmax the loss is computed from logits"
                " anyway), or give the layer no activation"
            )
        return
    if not f.probabilities:
        activated = isinstance(last, (Elementwise, Rowwise)) or last.applies_activation
        best = "sigmoid" if binary else "softmax"
        ways = [f"use activation='{best}'" if activated else f"put activation='{best}' behind it"]
        if isinstance(loss, Crossentropy) and not (binary and isinstance(f, activations.LogSoftmax)):
            ways.append(f"for logits loss=fastnn.losses.{type(loss).__name__}(from_logits=True)")
        if type(f) not in activations.ENTRIES:
            ways.append(f"set probabilities = True in class {type(f).__name__} if its outputs lie in [0, 1]")
        what = f"the {f.name} outputs" if activated else "the outputs"
        raise ValueError(
            f"{loss.name} needs probabilities, but {what} of layer {name!r} are none; {', '.join(ways)},"
            " or for numbers loss='mse'"
        )
    if loss.outputs == "distributions" and not isinstance(f, activations.Softmax):
        raise ValueError(
            f"{loss.name} needs outputs that sum to one, but the {f.name} outputs of layer {name!r} do not: it would be"
            " least where all are one; use activation='softmax', or for each output by itself"
            " loss='binary_crossentropy'"
        )
