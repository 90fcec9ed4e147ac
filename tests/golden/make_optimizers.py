"""Writes optimizers.npz for tests/test_optimizers.py: trainings by Keras 3.15 on JAX, in float64.

Needs keras and jax, which the tests do not: python tests/golden/make_optimizers.py
"""

import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"

import keras
import numpy as np
from keras.src.backend.common import dtypes

keras.config.set_floatx("float64")
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"  # else Keras 3.15 rounds each float64 product to float32
k = keras.optimizers
HERE = Path(__file__).parent
GOLDEN = np.load(HERE / "golden.npz")
STEPS, BATCH = int(GOLDEN["steps"]), int(GOLDEN["batch"])
FTRL = {
    "l1_regularization_strength": 0.02,
    "l2_regularization_strength": 0.1,
    "l2_shrinkage_regularization_strength": 0.05,
}


def without(optimizer, names):
    """The optimizer, with some weights that do not decay."""
    optimizer.exclude_from_weight_decay(var_names=names)
    return optimizer


OPTIMIZERS = {
    "rmsprop_centered": lambda: k.RMSprop(0.01, centered=True),
    "rmsprop_centered_momentum": lambda: k.RMSprop(0.01, momentum=0.9, epsilon=1e-3, centered=True),
    "ftrl": lambda: k.Ftrl(0.5),
    "ftrl_penalties": lambda: k.Ftrl(0.5, learning_rate_power=-0.3, beta=0.2, initial_accumulator_value=0.0, **FTRL),
    "schedule_free": lambda: k.ScheduleFreeAdamW(0.02),
    "schedule_free_warmup": lambda: k.ScheduleFreeAdamW(0.05, beta_1=0.8, beta_2=0.95, warmup_steps=12),
    "lamb": lambda: k.Lamb(0.02),
    "lamb_options": lambda: k.Lamb(0.02, weight_decay=0.1, global_clipnorm=0.1, use_ema=True, ema_momentum=0.9),
    "adafactor": lambda: k.Adafactor(0.1),
    "adafactor_options": lambda: k.Adafactor(0.1, -0.6, 1e-20, 0.1, 0.7, False, weight_decay=0.1, clipvalue=0.02),
    "muon": lambda: k.Muon(0.02),
    "muon_options": lambda: k.Muon(
        0.02, momentum=0.8, nesterov=False, ns_steps=3, rms_rate=None, adam_lr_ratio=0.5, clipnorm=0.1, weight_decay=0.2
    ),
    "accumulated": lambda: k.SGD(0.1, momentum=0.9, gradient_accumulation_steps=3),
    "accumulated_adam": lambda: k.Adam(
        k.schedules.ExponentialDecay(0.05, 10, 0.7),
        gradient_accumulation_steps=4,
        weight_decay=0.1,
        global_clipnorm=0.1,
        use_ema=True,
        ema_momentum=0.8,
    ),
    "accumulated_muon": lambda: k.Muon(0.02, gradient_accumulation_steps=2),
    "overwritten": lambda: k.Adam(0.02, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=7),
    "overwritten_accumulated": lambda: k.SGD(
        0.2, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3, gradient_accumulation_steps=2
    ),
    "without_decay": lambda: without(k.AdamW(0.01, weight_decay=1.0), ["bias"]),
    "muon_without_decay": lambda: without(k.Muon(0.01, weight_decay=1.0, adam_weight_decay=2.0), ["bias"]),
    "scaled": lambda: k.Adam(0.01, loss_scale_factor=1024.0),
}
MAPS = {
    "lamb_maps": lambda: k.Lamb(0.02),
    "adafactor_maps": lambda: k.Adafactor(0.1),
    "muon_maps": lambda: k.Muon(0.02),
}


def dense():
    return [keras.layers.Dense(4, "tanh", name="one"), keras.layers.Dense(3, "softmax", name="two")]


def maps():
    return [
        keras.layers.Reshape((5, 1)),
        keras.layers.Conv1D(4, 3, activation="tanh"),
        keras.layers.Conv1D(3, 2, activation="tanh"),
        keras.layers.Flatten(),
        keras.layers.Dense(3, "softmax"),
    ]


def train(layers, optimizer, start=None):
    """STEPS steps: losses, weights before and after, and the moving average."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5,)), *layers])
    model.compile(optimizer=optimizer, loss="categorical_crossentropy")
    if start is not None:
        begin, at = [], 0
        for w in model.get_weights():
            begin.append(start[at : at + w.size].reshape(w.shape))
            at += w.size
        model.set_weights(begin)
    begin = model.get_weights()
    losses = []
    for step in range(STEPS):
        chosen = np.arange(step * BATCH, (step + 1) * BATCH) % len(GOLDEN["x"])
        losses.append(float(model.train_on_batch(GOLDEN["x"][chosen], GOLDEN["y"][chosen])))
        model.reset_metrics()
    weights = model.get_weights()
    if any(array.dtype != np.float64 for array in weights):
        raise TypeError("Keras did not compute in float64")
    average = [np.zeros(0)]
    if optimizer.use_ema:
        average = [np.asarray(w.value) for w in optimizer._model_variables_moving_average]
    return np.array(losses), *(np.concatenate([a.ravel() for a in arrays]) for arrays in (begin, weights, average))


def main():
    arrays = {}
    for table, layers, start in ((OPTIMIZERS, dense, GOLDEN["start"]), (MAPS, maps, None)):
        for name, optimizer in table.items():
            found = train(layers(), optimizer(), start)
            arrays["losses_" + name], begin, arrays["weights_" + name], average = found
            if table is MAPS:
                arrays["start_maps"] = begin
            if len(average):
                arrays["average_" + name] = average
    np.savez_compressed(HERE / "optimizers.npz", **arrays)


if __name__ == "__main__":
    main()
