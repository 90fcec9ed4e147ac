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

from map_cases import CASES, name_of, numbers, projections, weights  # noqa: E402


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


def main():
    jax.config.update("jax_enable_x64", True)
    keras.config.set_floatx("float64")
    answers = {name_of(case): ask_keras(case) for case in CASES}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(answer)}" for name, answer in answers.items())
    (HERE / "maps.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
