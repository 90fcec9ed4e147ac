"""What Keras has and fastnn has not, with what there is instead: for messages of ``AttributeError``."""

from __future__ import annotations

from fastnn.basics.checks import unknown

RECURRENT = "there are no recurrent layers; Conv1D(padding='causal', dilation_rate=...) sees signals step by step"
ATTENTION = "there are no attention layers; Conv1D and GlobalAveragePooling1D take signals"
MERGE = "there are no functional graphs, in which branches meet; join arrays before the model, as np.concatenate does"
GRAPH = (
    "there are no functional graphs and no models with a call of their own; list the layers: Sequential([Input(shape),"
    " ...])"
)
AUGMENT = "images are augmented by fastnn.augmentation.ImageAugmentation, or preprocessing.image.ImageDataGenerator"
TEXT = "there are no layers of text; StringLookup is called on arrays of texts, before the model"
WRAP = "there are no layers that wrap others; Dense and activations take signals and maps as they are"
THREE = "there are no layers of three axes; those of two take maps (height, width, channels)"

LAYERS = {
    **dict.fromkeys(
        ["LSTM", "GRU", "SimpleRNN", "RNN", "LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells", "Bidirectional"],
        RECURRENT,
    ),
    **dict.fromkeys(["ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"], RECURRENT),
    **dict.fromkeys(["Attention", "AdditiveAttention", "MultiHeadAttention", "GroupedQueryAttention"], ATTENTION),
    **dict.fromkeys(["Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"], MERGE),
    **dict.fromkeys(["add", "average", "concatenate", "dot", "maximum", "minimum", "multiply", "subtract"], MERGE),
    **dict.fromkeys(["TimeDistributed", "Wrapper", "SpectralNormalization"], WRAP),
    **dict.fromkeys(["TextVectorization", "Hashing", "HashedCrossing"], TEXT),
    "Lambda": "there is no Lambda, whose code no file could hold; an activation of your own is a class or function for"
    " Dense(activation=...), and what needs no training is done to the arrays before the model",
    "Masking": "no layer here knows masks; pad signals, and let 0 be a number like any other",
}
MODULES = {
    "Model": GRAPH,
    "Variable": "weights are those of layers: model.layers[0].kernel",
    "ops": "ops are those of NumPy: import numpy as ops",
    "applications": "there are no trained networks to download; fastnn.load reads your own",
    "mixed_precision": "a model has one number type: Sequential(..., dtype='float32' or 'float64')",
    "saving": "model.save(path) and fastnn.load(path) are all that there is",
    "distribution": "a model is trained on one machine; set_num_threads says on how many cores",
    "export": "model.to_onnx, to_c and to_numpy take a model elsewhere",
    "tree": "targets and outputs are arrays, not trees of them",
}


def absent(module: str, name: str, known: list[str]) -> str:
    """The message for a name that a module has not.

    >>> absent("fastnn", "ops", [])
    "module 'fastnn' has no attribute 'ops': ops are those of NumPy: import numpy as ops"
    """
    instead = (LAYERS if module == "fastnn.layers" else MODULES).get(name)
    if module == "fastnn.layers" and instead is None:
        if name.endswith("3D"):
            instead = THREE
        elif name.startswith(("Random", "Auto", "Aug", "MixUp", "CutMix")) or name in ("Resizing", "CenterCrop"):
            instead = AUGMENT
    what = f"module {module!r} has no attribute {name!r}"
    return f"{what}: {instead}" if instead else f"{what}; {unknown('name', name, known)}"
