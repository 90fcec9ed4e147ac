"""Values and options for callbacks, and a model for them: for Keras' (golden/make_callbacks.py) and for ours alike."""

from itertools import product

import numpy as np

STEPS = 3  # of an epoch


def sequences():
    """Whole numbers, which repeat; tenths, which meet min_delta=0.1 but for rounding; any numbers; descents."""
    rng = np.random.default_rng(0)
    length = 12
    whole = rng.integers(0, 8, size=(6, length)).astype(float)
    tenths = rng.integers(0, 12, size=(6, length)) / 10
    spread = rng.normal(0.5, 0.5, size=(4, length))
    down = np.array([8.0 - np.arange(length), 1.2 - np.arange(length) / 10, np.geomspace(3, 1e-3, length)])
    stumbling = down + np.where(np.arange(length) % 4 == 3, 2.0, 0.0)
    return np.concatenate([whole, tenths, spread, down, stumbling, -down, np.full((1, length), 0.5)])


def grid(**options):
    """All combinations of the values of each option."""
    return [dict(zip(options, values, strict=True)) for values in product(*options.values())]


SEQUENCES = sequences()
MODES = ["min", "max"]
EARLY_STOPPING = grid(
    patience=[0, 1, 2, 4],
    min_delta=[0, 0.1, 1],
    mode=MODES,
    baseline=[None, 0.3, 2, 6],
    start_from_epoch=[0, 3],
    restore_best_weights=[True, False],
)
REDUCE_LR = grid(
    factor=[0.5, 0.1], patience=[0, 1, 3], mode=MODES, min_delta=[0, 1e-4, 0.1], cooldown=[0, 1, 3], min_lr=[0, 0.2]
)
MODEL_CHECKPOINT = grid(
    save_best_only=[True, False],
    mode=MODES,
    save_freq=["epoch", 1, 2, 5],
    initial_value_threshold=[None, 0.3, 4],
)


class Model:
    """What callbacks need of a model, for Keras' and for ours; its weights are the number of the epoch."""

    metrics = ()
    stop_training = False
    optimizer = None
    weights = clock = -1
    iterations = 0

    def get_weights(self):
        return self.weights

    weights_after_fit = get_weights

    def set_weights(self, weights):
        self.weights = weights

    @property
    def network(self):
        return self

    arena = network

    def __setitem__(self, row, weights):
        assert row == 0
        self.weights = weights


def drive(callback, model, values, after=lambda: None, steps=0, name="value"):
    """Calls a callback as fit would, whose logs hold the values; returns the number of finished epochs."""
    callback.set_params({"epochs": len(values), "steps": steps, "verbose": 0, "metrics": [name]})
    callback.set_model(model)
    callback.on_train_begin({})
    for epoch, value in enumerate(values):
        callback.on_epoch_begin(epoch, {})
        for step in range(steps):
            model.clock = epoch * (steps + 1) + step
            callback.on_train_batch_end(step, {name: float(value) + step / 8})
        model.weights, model.clock = epoch, epoch * (steps + 1) + steps
        callback.on_epoch_end(epoch, {name: float(value)})
        after()
        if model.stop_training:
            break
    callback.on_train_end({})
    return epoch + 1
