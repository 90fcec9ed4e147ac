"""What Keras has and fastnn has not: messages that say what there is instead."""

import numpy as np
import pytest

import fastnn as keras


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda: keras.layers.LSTM(3), AttributeError, "no attribute 'LSTM': there are no recurrent layers; Conv1D"),
        (lambda: keras.layers.Lambda, AttributeError, "there is no Lambda, whose code no file could hold"),
        (lambda: keras.layers.Concatenate(), AttributeError, "join arrays before the model"),
        (lambda: keras.layers.MultiHeadAttention, AttributeError, "there are no attention layers"),
        (lambda: keras.layers.Conv3D, AttributeError, "there are no layers of three axes"),
        (lambda: keras.layers.RandomFlip, AttributeError, "ImageAugmentation"),
        (lambda: keras.layers.Densee, AttributeError, "did you mean 'Dense'"),
        (lambda: keras.Model, AttributeError, "no functional graphs and no models with a call of their own"),
        (lambda: keras.models.Model, AttributeError, "list the layers: Sequential"),
        (lambda: keras.ops, AttributeError, "import numpy as ops"),
        (lambda: keras.applications, AttributeError, "no trained networks to download"),
        (lambda: keras.model, AttributeError, "did you mean 'models'"),
        (lambda: keras.Sequential([keras.layers.Input(()), keras.layers.Dense(1)]), ValueError, "has one axis or more"),
        (lambda: keras.layers.Dense(1, input_shape=()), ValueError, "a sample has one axis or more, got"),
        (lambda: keras.metrics.AUC(num_labels=3), ValueError, "num_labels counts the outputs of multi_label=True"),
        (lambda: keras.metrics.AUC(multi_label=True, num_labels=0), ValueError, "num_labels must be 1 or more"),
    ],
)
def test_messages_say_what_there_is_instead(ask, error, message):
    with pytest.raises(error, match=message):
        ask()


def test_num_labels_must_be_those_of_the_outputs():
    model = keras.Sequential([keras.layers.Input(2), keras.layers.Dense(3, "sigmoid")], rng=0)
    y = np.eye(3)[np.arange(9) % 3]
    for labels, good in ((3, True), (2, False)):
        model.compile("sgd", "binary_crossentropy", metrics=[keras.metrics.AUC(multi_label=True, num_labels=labels)])
        if good:
            assert 0 <= model.fit(np.ones((9, 2)), y, verbose=0).history["auc"][-1] <= 1
        else:
            with pytest.raises(ValueError, match="num_labels is 2, but there are 3 outputs"):
                model.fit(np.ones((9, 2)), y, verbose=0)


def test_only_losses_that_files_know_are_listed():
    assert not [name for name in keras.losses.__all__ if name.endswith("FromLogits")]
