"""Writes maps.json: what Keras on JAX answers to the cases of ../map_cases.py, in float64.

KERAS_BACKEND=jax python tests/golden/make_maps.py
"""

import json
import sys
from pathlib import Path

import jax
import keras
import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from map_cases import BATCH, CASES, EPOCHS, NETWORK, SAMPLES, name_of, numbers, projections, weights  # noqa: E402


def ask_keras(case):
    """What Keras answers: shape and output in training, derivatives of sum side a by the input and the weights."""
    layer = getattr(keras.layers, case["layer"])(
        *[tuple(one) if isinstance(one, list) else one for one in case["arguments"]], **case["settings"]
    )
    x = numbers((case["batch"], *case["shape"]), 1)
    layer.build(x.shape)
    layer.set_weights(weights([tuple(w.shape) for w in layer.weights]))
    trained, others = [w.value for w in layer.trainable_variables], [w.value for w in layer.non_trainable_variables]
    extra = {"training": True} if "Normalization" in case["layer"] else {}

    def value(x, trained):
        a, _ = layer.stateless_call(trained, others, x, **(extra if "Batch" in case["layer"] else {}))
        return (a * numbers(a.shape, 3)).sum(), a

    (_, a), (dx, dw) = jax.value_and_grad(value, argnums=(0, 1), has_aux=True)(x, trained)
    return {
        "output_shape": list(a.shape),
        "parameters": sum(int(np.prod(w.shape)) for w in layer.weights),
        "output": projections(a, 4),
        "inference": projections(layer.stateless_call(trained, others, x)[0], 4),
        "derivatives": [projections(d, 5) for d in [dx, *dw]],
    }


def train_in_keras():
    """The losses of the epochs of the network, and its weights behind them."""
    model = keras.Sequential(
        [keras.Input((8, 7, 2)), *(getattr(keras.layers, kind)(*args, **named) for kind, args, named in NETWORK)]
    )
    model.set_weights([numbers(w.shape, i) / 2 for i, w in enumerate(model.get_weights())])
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, "categorical_crossentropy")
    x, y = numbers((SAMPLES, 8, 7, 2), 1), np.eye(4)[np.arange(SAMPLES) % 4]
    history = model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0)
    return {"losses": history.history["loss"], "weights": [projections(w, 6) for w in model.get_weights()]}


def main():
    jax.config.update("jax_enable_x64", True)
    keras.config.set_floatx("float64")
    answers = {name_of(case): ask_keras(case) for case in CASES}
    answers["network"] = train_in_keras()
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(answer)}" for name, answer in answers.items())
    (HERE / "maps.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
