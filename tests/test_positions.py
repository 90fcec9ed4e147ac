"""Positional order is that of Keras: a setting that Keras has in another place, or lacks, needs its name."""

import inspect

import pytest

from fastnn import (
    Sequential,
    callbacks,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
    schedules,
)

# Keras 3's constructors (inspect.signature), the names that fastnn does not have included.
OPTIMIZER = [
    *["weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema", "ema_momentum"],
    *["ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps", "name"],
]
MOMENTS = ["learning_rate", "beta_1", "beta_2", "epsilon"]
INITIALIZER = ["seed", "input_axes", "output_axes"]
SMOOTHED = ["from_logits", "label_smoothing", "axis", "reduction", "name", "dtype"]
CONVOLUTION = [
    *["filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups", "activation"],
    *["use_bias", "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer"],
    *["activity_regularizer", "kernel_constraint", "bias_constraint"],
]
POOLING = ["pool_size", "strides", "padding", "data_format", "name"]
LOOKUP = ["max_tokens", "num_oov_indices", "mask_token", "oov_token", "vocabulary"]
SCALES = ["beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint"]
KERAS = {
    optimizers.SGD: ["learning_rate", "momentum", "nesterov", *OPTIMIZER],
    optimizers.RMSprop: ["learning_rate", "rho", "momentum", "epsilon", "centered", *OPTIMIZER],
    optimizers.Adagrad: ["learning_rate", "initial_accumulator_value", "epsilon", *OPTIMIZER],
    optimizers.Adadelta: ["learning_rate", "rho", "epsilon", *OPTIMIZER],
    optimizers.Adam: [*MOMENTS, "amsgrad", *OPTIMIZER],
    optimizers.AdamW: ["learning_rate", "weight_decay", *MOMENTS[1:], "amsgrad", *OPTIMIZER[1:]],
    optimizers.Adamax: [*MOMENTS, *OPTIMIZER],
    optimizers.Nadam: [*MOMENTS, *OPTIMIZER],
    optimizers.Lion: [*MOMENTS[:3], *OPTIMIZER],
    optimizers.Ftrl: [
        *["learning_rate", "learning_rate_power", "initial_accumulator_value", "l1_regularization_strength"],
        *["l2_regularization_strength", "l2_shrinkage_regularization_strength", "beta", *OPTIMIZER],
    ],
    optimizers.Lamb: [*MOMENTS, *OPTIMIZER],
    optimizers.Adafactor: [
        *["learning_rate", "beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step", *OPTIMIZER],
    ],
    optimizers.Muon: [
        *["learning_rate", "adam_beta_1", "adam_beta_2", "adam_weight_decay", "epsilon", *OPTIMIZER],
        *["exclude_layers", "exclude_embeddings", "muon_a", "muon_b", "muon_c", "adam_lr_ratio", "momentum"],
        *["ns_steps", "nesterov", "rms_rate"],
    ],
    optimizers.ScheduleFreeAdamW: [*MOMENTS, "warmup_steps", *OPTIMIZER],
    losses.MeanSquaredError: ["reduction", "name", "dtype"],
    losses.MeanAbsoluteError: ["reduction", "name", "dtype"],
    losses.MeanAbsolutePercentageError: ["reduction", "name", "dtype"],
    losses.MeanSquaredLogarithmicError: ["reduction", "name", "dtype"],
    losses.CategoricalHinge: ["reduction", "name", "dtype"],
    losses.Huber: ["delta", "reduction", "name", "dtype"],
    losses.LogCosh: ["reduction", "name", "dtype"],
    losses.Poisson: ["reduction", "name", "dtype"],
    losses.Hinge: ["reduction", "name", "dtype"],
    losses.SquaredHinge: ["reduction", "name", "dtype"],
    losses.KLDivergence: ["reduction", "name", "dtype"],
    losses.BinaryCrossentropy: SMOOTHED,
    losses.CategoricalCrossentropy: SMOOTHED,
    losses.SparseCategoricalCrossentropy: ["from_logits", "ignore_class", "reduction", "axis", "name"],
    losses.BinaryFocalCrossentropy: ["apply_class_balancing", "alpha", "gamma", *SMOOTHED],
    losses.CategoricalFocalCrossentropy: ["alpha", "gamma", *SMOOTHED],
    layers.Input: ["shape", "batch_size", "dtype"],
    layers.Dense: [
        *["units", "activation", "use_bias", "kernel_initializer", "bias_initializer", "kernel_regularizer"],
        *["bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint"],
    ],
    layers.Flatten: ["data_format"],
    layers.Activation: ["activation"],
    layers.ReLU: ["max_value", "negative_slope", "threshold"],
    layers.LeakyReLU: ["negative_slope"],
    layers.ELU: ["alpha"],
    layers.Softmax: ["axis"],
    layers.Rescaling: ["scale", "offset"],
    layers.Normalization: ["axis", "mean", "variance"],
    layers.ActivityRegularization: ["l1", "l2"],
    layers.Dropout: ["rate", "noise_shape", "seed"],
    layers.GaussianNoise: ["stddev", "seed"],
    layers.BatchNormalization: [
        *["axis", "momentum", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer"],
        *["moving_mean_initializer", "moving_variance_initializer", *SCALES],
    ],
    layers.LayerNormalization: [
        *["axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer", *SCALES]
    ],
    layers.GroupNormalization: [
        *["groups", "axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer", *SCALES]
    ],
    layers.RMSNormalization: ["axis", "epsilon"],
    layers.PReLU: ["alpha_initializer", "alpha_regularizer", "alpha_constraint", "shared_axes"],
    layers.AlphaDropout: ["rate", "noise_shape", "seed"],
    layers.GaussianDropout: ["rate", "seed"],
    layers.Identity: [],
    layers.Embedding: [
        *["input_dim", "output_dim", "embeddings_initializer", "embeddings_regularizer", "embeddings_constraint"],
        *["mask_zero", "weights"],
    ],
    layers.CategoryEncoding: ["num_tokens", "output_mode", "sparse"],
    layers.Discretization: ["bin_boundaries", "num_bins", "epsilon", "output_mode", "sparse"],
    layers.IntegerLookup: LOOKUP,
    layers.StringLookup: LOOKUP,
    layers.RepeatVector: ["n"],
    layers.UnitNormalization: ["axis"],
    layers.Conv1D: CONVOLUTION,
    layers.Conv2D: CONVOLUTION,
    layers.DepthwiseConv2D: [
        *["kernel_size", "strides", "padding", "depth_multiplier", "data_format", "dilation_rate", "activation"],
        *["use_bias", "depthwise_initializer", "bias_initializer", "depthwise_regularizer", "bias_regularizer"],
        *["activity_regularizer", "depthwise_constraint", "bias_constraint"],
    ],
    layers.SeparableConv2D: [
        *["filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier"],
        *["activation", "use_bias", "depthwise_initializer", "pointwise_initializer", "bias_initializer"],
        *["depthwise_regularizer", "pointwise_regularizer", "bias_regularizer", "activity_regularizer"],
        *["depthwise_constraint", "pointwise_constraint", "bias_constraint"],
    ],
    layers.Conv2DTranspose: [
        *["filters", "kernel_size", "strides", "padding", "output_padding", "data_format", "dilation_rate"],
        *["activation", "use_bias", "kernel_initializer", "bias_initializer", "kernel_regularizer"],
        *["bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint"],
    ],
    layers.MaxPooling1D: POOLING,
    layers.MaxPooling2D: POOLING,
    layers.AveragePooling1D: POOLING,
    layers.AveragePooling2D: POOLING,
    layers.GlobalMaxPooling1D: ["data_format", "keepdims"],
    layers.GlobalMaxPooling2D: ["data_format", "keepdims"],
    layers.GlobalAveragePooling1D: ["data_format", "keepdims"],
    layers.GlobalAveragePooling2D: ["data_format", "keepdims"],
    layers.ZeroPadding2D: ["padding", "data_format"],
    layers.Cropping2D: ["cropping", "data_format"],
    layers.UpSampling2D: ["size", "data_format", "interpolation"],
    layers.ZeroPadding1D: ["padding", "data_format"],
    layers.Cropping1D: ["cropping", "data_format"],
    layers.UpSampling1D: ["size"],
    layers.Reshape: ["target_shape"],
    layers.Permute: ["dims"],
    layers.SpatialDropout1D: ["rate", "seed"],
    layers.SpatialDropout2D: ["rate", "data_format", "seed"],
    regularizers.L1: ["l1"],
    regularizers.L2: ["l2"],
    regularizers.L1L2: ["l1", "l2"],
    constraints.NonNeg: [],
    constraints.MaxNorm: ["max_value", "axis"],
    constraints.UnitNorm: ["axis"],
    constraints.MinMaxNorm: ["min_value", "max_value", "rate", "axis"],
    initializers.Zeros: [],
    initializers.Ones: [],
    initializers.Identity: ["gain"],
    initializers.VarianceScaling: ["scale", "mode", "distribution", "seed"],
    initializers.Constant: ["value"],
    initializers.Orthogonal: ["gain", "seed"],
    initializers.RandomUniform: ["minval", "maxval", "seed"],
    initializers.RandomNormal: ["mean", "stddev", "seed"],
    initializers.TruncatedNormal: ["mean", "stddev", "seed"],
    initializers.GlorotUniform: INITIALIZER,
    initializers.GlorotNormal: INITIALIZER,
    initializers.HeUniform: INITIALIZER,
    initializers.HeNormal: INITIALIZER,
    initializers.LecunUniform: INITIALIZER,
    initializers.LecunNormal: INITIALIZER,
    metrics.Accuracy: ["name", "dtype"],
    metrics.BinaryAccuracy: ["name", "dtype", "threshold"],
    metrics.CategoricalAccuracy: ["name", "dtype"],
    metrics.SparseCategoricalAccuracy: ["name", "dtype"],
    metrics.TopKCategoricalAccuracy: ["k", "name", "dtype"],
    metrics.SparseTopKCategoricalAccuracy: ["k", "name", "dtype"],
    metrics.Precision: ["thresholds", "top_k", "class_id", "name"],
    metrics.Recall: ["thresholds", "top_k", "class_id", "name"],
    metrics.F1: ["average", "threshold", "name"],
    metrics.F1Score: ["average", "threshold", "name"],
    metrics.FBetaScore: ["average", "beta", "threshold", "name"],
    metrics.MeanAbsolutePercentageError: ["name", "dtype"],
    metrics.MeanSquaredLogarithmicError: ["name", "dtype"],
    metrics.CosineSimilarity: ["name", "dtype", "axis"],
    metrics.PearsonCorrelation: ["name", "dtype", "axis"],
    metrics.ConcordanceCorrelation: ["name", "dtype", "axis"],
    metrics.IoU: ["num_classes", "target_class_ids", "name", "dtype", "ignore_class"],
    metrics.MeanIoU: ["num_classes", "name", "dtype", "ignore_class"],
    metrics.OneHotIoU: ["num_classes", "target_class_ids", "name", "dtype", "ignore_class"],
    metrics.OneHotMeanIoU: ["num_classes", "name", "dtype", "ignore_class"],
    metrics.BinaryIoU: ["target_class_ids", "threshold", "name", "dtype"],
    metrics.Poisson: ["name", "dtype"],
    metrics.LogCoshError: ["name", "dtype"],
    metrics.Hinge: ["name", "dtype"],
    metrics.SquaredHinge: ["name", "dtype"],
    metrics.CategoricalHinge: ["name", "dtype"],
    metrics.KLDivergence: ["name", "dtype"],
    metrics.BinaryCrossentropy: ["name", "dtype", "from_logits", "label_smoothing"],
    metrics.CategoricalCrossentropy: ["name", "dtype", "from_logits", "label_smoothing", "axis"],
    metrics.SparseCategoricalCrossentropy: ["name", "dtype", "from_logits", "axis"],
    metrics.TruePositives: ["thresholds", "name"],
    metrics.FalsePositives: ["thresholds", "name"],
    metrics.TrueNegatives: ["thresholds", "name"],
    metrics.FalseNegatives: ["thresholds", "name"],
    metrics.SensitivityAtSpecificity: ["specificity", "num_thresholds", "class_id", "name"],
    metrics.SpecificityAtSensitivity: ["sensitivity", "num_thresholds", "class_id", "name"],
    metrics.PrecisionAtRecall: ["recall", "num_thresholds", "class_id", "name"],
    metrics.RecallAtPrecision: ["precision", "num_thresholds", "class_id", "name"],
    metrics.R2: ["class_aggregation", "num_regressors", "name"],
    metrics.AUC: ["num_thresholds", "curve", "summation_method", "name"],
    metrics.MeanSquaredError: ["name", "dtype"],
    metrics.RootMeanSquaredError: ["name", "dtype"],
    metrics.MeanAbsoluteError: ["name", "dtype"],
    schedules.Cosine: ["initial_learning_rate", "decay_steps", "alpha", "name", "warmup_target", "warmup_steps"],
    schedules.CosineRestarts: ["initial_learning_rate", "first_decay_steps", "t_mul", "m_mul", "alpha", "name"],
    schedules.Exponential: ["initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name"],
    schedules.InverseTime: ["initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name"],
    schedules.Piecewise: ["boundaries", "values", "name"],
    schedules.Polynomial: ["initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle", "name"],
    callbacks.BackupAndRestore: ["backup_dir", "save_freq", "double_checkpoint", "delete_checkpoint"],
    callbacks.SwapEMAWeights: ["swap_on_epoch"],
    callbacks.CSVLogger: ["filename", "separator", "append"],
    callbacks.EarlyStopping: [
        *["monitor", "min_delta", "patience", "verbose", "mode", "baseline", "restore_best_weights"],
        "start_from_epoch",
    ],
    callbacks.LearningRateScheduler: ["schedule", "verbose"],
    callbacks.ModelCheckpoint: [
        *["filepath", "monitor", "verbose", "save_best_only", "save_weights_only", "mode", "save_freq"],
        "initial_value_threshold",
    ],
    callbacks.ReduceLROnPlateau: [
        *["monitor", "factor", "patience", "verbose", "mode", "min_delta", "cooldown", "min_lr"],
    ],
    callbacks.TerminateOnNaN: ["raise_error"],
    Sequential: ["layers", "trainable", "name"],
}
KERAS |= {
    layers.DepthwiseConv1D: KERAS[layers.DepthwiseConv2D],
    layers.SeparableConv1D: KERAS[layers.SeparableConv2D],
    layers.Conv1DTranspose: KERAS[layers.Conv2DTranspose],
}
OURS = {  # the words of fastnn for Keras' ones
    "initial_learning_rate": "initial",
    "decay_steps": "steps",
    "first_decay_steps": "first",
    "end_learning_rate": "end",
    "thresholds": "threshold",
}


def positional(constructor):
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [name for name, one in inspect.signature(constructor).parameters.items() if one.kind in kinds]


@pytest.mark.parametrize("constructor", KERAS, ids=lambda one: f"{one.__module__.split('.')[1]}.{one.__name__}")
def test_positions_are_those_of_keras(constructor):
    ours = positional(constructor)
    for name, theirs in zip(ours, [*KERAS[constructor], *["nothing"] * len(ours)], strict=False):
        assert name in (theirs, OURS.get(theirs))


def test_every_constructor_of_the_catalogue_is_compared_or_not_in_keras():
    own = {"Quantile", "GaussianNLL", "LogLoss", "R2", "CosineSimilarity"}  # Keras' cosine has its axis first
    for module in (optimizers, losses, regularizers, constraints, initializers, metrics):
        for entry in module.ENTRIES:
            assert entry in KERAS or entry.__name__ in own or entry.__name__.endswith("FromLogits"), entry
    for name in layers.__all__:
        assert getattr(layers, name) in KERAS or name == "Layer"


def test_the_second_number_of_adamw_is_its_decay():
    optimizer = optimizers.AdamW(1e-3, 0.01)
    assert (optimizer.weight_decay, optimizer.beta_1) == (0.01, 0.9)
    assert optimizers.SGD(0.1, 0.9, True, 0.01).weight_decay == 0.01
    assert regularizers.L2(0.5) == regularizers.L2(l2=0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optimizers.RMSprop(0.1, 0.9, 0.0, 1e-7, 0.01), "centered must be True or False, got 0.01"),
        (lambda: regularizers.L1(0.1, 0.2), "L1 takes at most 1 settings by position, l1, got 2; name the others"),
        (lambda: losses.BinaryCrossentropy(True, 0.1, -1), "by position"),
        (lambda: metrics.AUC(200), "AUC takes no setting by position, got 1"),
        (lambda: schedules.Cosine(0.1, 10, 0.0, 5), "at most 3 settings by position"),
        (lambda: layers.BatchNormalization(0.9), "axis must be a whole number, got 0.9"),
        (lambda: layers.Dropout(0.5, "name"), "noise_shape must be a tuple such as"),
        (lambda: layers.GaussianNoise(0.5, 1, "name"), "positional"),
        (lambda: Sequential([], True, "name", 0), "positional"),
    ],
)
def test_settings_behind_a_gap_need_their_names(make, message):
    with pytest.raises(TypeError, match=message):
        make()
