"""The checks themselves: each must fail for a kernel that returns zeros, returns its input, or drops a term.

So must the comparisons of whole networks, for an engine with one fault in it.
"""

import numpy as np
import pytest
import test_kernels as checks
import test_layers as networks
import test_primitives as primitives
from numerics import normal

from fastnn import activations, losses, optimizers
from fastnn.basics import backend
from fastnn.engine import reference


class Broken:
    """A core with other kernels in the place of some; the rest is the core's own."""

    def __init__(self, core, **kernels):
        self._core = core
        self.__dict__.update(kernels)

    def __getattr__(self, name):
        return getattr(self._core, name)


def filled(array, value):
    """The array, a kernel's output, full of one value."""
    array[...] = value
    return array


def zeros(core):
    """Kernels that compute nothing and say 0."""
    return Broken(
        core,
        activation_forward=lambda kernel, z, h: filled(z.copy(), 0),
        activation_backward=lambda kernel, a, d, h: filled(d.copy(), 0),
        loss=lambda kernel, a, t, h: (a.copy(), np.zeros(core.PANEL_WIDTH, core.REAL), filled(a.copy(), 0)),
        update=lambda kernel, w, g, slots, h: filled(w, 0),
        product=lambda A, W, Z, outputs: filled(Z, 0),
        product_of_row=lambda A, W, Z: filled(Z, 0),
        weight_gradient=lambda A, D, inputs, G, outputs: filled(G, 0),
        transpose=lambda W, first, inputs, outputs, T: filled(T, 0),
        augment=lambda A, changes, seed, first: filled(A, 0),
        elementary=lambda name, x: np.zeros_like(x),
        nonfinite=lambda source: (0, 0),
        Engine=Broken(core.Engine, classes=lambda outputs: np.zeros(len(outputs), np.int64)),
    )


def inputs(core):
    """Kernels that leave everything as it was."""
    return Broken(
        core,
        activation_forward=lambda kernel, z, h: z.copy(),
        activation_backward=lambda kernel, a, d, h: d.copy(),
        loss=lambda kernel, a, t, h: (a.copy(), np.array(a[0]), a.copy()),
        update=lambda kernel, w, g, slots, h: None,
        product=lambda A, W, Z, outputs: None,
        product_of_row=lambda A, W, Z: None,
        weight_gradient=lambda A, D, inputs, G, outputs: None,
        transpose=lambda W, first, inputs, outputs, T: None,
        augment=lambda A, changes, seed, first: None,
        elementary=lambda name, x: x.copy(),
        nonfinite=lambda source: None,
        Engine=Broken(core.Engine, classes=lambda outputs: np.arange(len(outputs))),
    )


def without_last_input(W):
    """Weights (panels, inputs + 1, width) whose last input counts for nothing."""
    W = np.array(W)
    W[:, -2] = 0
    return W


def drops(core):
    """Kernels that forget the last term: an output, an input, a sample, the gradient, the last bits of a function."""

    def activation_forward(kernel, z, h):
        a = core.activation_forward(kernel, z, h)
        a[-1:] = 0
        return a

    def activation_backward(kernel, a, d, h):
        out = core.activation_backward(kernel, a, d, h)
        out[-1:] = 0
        return out

    def loss(kernel, a, t, h):
        out, e, d = core.loss(kernel, a, t, h)
        d[-1:] = 0
        return out, e - 1e-3 * np.abs(e).max(), d

    def update(kernel, w, g, slots, h):
        core.update(kernel, w, np.zeros_like(np.asarray(g)), slots, h)

    def weight_gradient(A, D, inputs, G, outputs):
        D = np.array(D)
        D[:, -1] = 0
        core.weight_gradient(A, D, inputs, G, outputs)

    def elementary(name, x):
        with np.errstate(over="ignore"):
            return core.elementary(name, x) * core.REAL.type(1 + 8 * np.finfo(core.REAL).eps)

    def transpose(W, first, inputs, outputs, T):
        core.transpose(W, first, inputs, outputs, T)
        T[outputs - 1] = 0

    def augment(A, changes, seed, first):
        last = np.array(A[:, -1])
        core.augment(A, changes, seed, first)
        A[:, -1] = last

    return Broken(
        core,
        activation_forward=activation_forward,
        activation_backward=activation_backward,
        loss=loss,
        update=update,
        product=lambda A, W, Z, outputs: core.product(A, without_last_input(W), Z, outputs),
        product_of_row=lambda A, W, Z: core.product_of_row(A, without_last_input(W), Z),
        weight_gradient=weight_gradient,
        transpose=transpose,
        augment=augment,
        elementary=elementary,
        nonfinite=lambda source: core.nonfinite(primitives.Source(source.array[:-1])),
        Engine=Broken(
            core.Engine, classes=lambda outputs: core.Engine.classes(outputs[:, : max(1, outputs.shape[1] - 1)].copy())
        ),
    )


def overruns(core, place):
    """Kernels that are right and write one number too many, behind (0) or before (-1) an output."""

    def spilling(kernel):
        def run(*arguments):
            out = kernel(*arguments)
            for array in (*(out if isinstance(out, tuple) else (out,)), *arguments):
                if getattr(array, "fence", ()):
                    array.fence[1 + place][place] = 0
            return out

        return run

    names = ("activation_forward", "activation_backward", "loss", "update", "product", "weight_gradient", "transpose")
    return Broken(core, **{name: spilling(getattr(core, name)) for name in (*names, "product_of_row", "augment")})


def activation_check(activation):
    """A check of one activation on ordinary numbers."""

    def check(core):
        rng, W = np.random.default_rng(0), core.PANEL_WIDTH
        checks.check_activation(core, activation, normal(core, rng, W, 7), normal(core, rng, W, 7))

    return check


def loss_check(loss):
    """A check of one loss on ordinary numbers."""
    loss, n = checks.suited(loss, 5)
    return lambda core: checks.check_loss(core, loss, *checks.samples(core, loss, np.random.default_rng(0), 9, n))


WITH_OUTPUTS = {
    **{entry.name: activation_check(entry()) for entry in activations.ENTRIES},
    **{entry.name: loss_check(entry()) for entry in losses.ENTRIES},
    **{k: lambda core, v=v: checks.check_optimizer(core, v, 7) for k, v in checks.OPTIMIZERS.items()},
    "product": lambda core: primitives.check_product(core, 13, 53, 17),
    "product_of_row": lambda core: primitives.check_product(core, 1, 53, 17, product="product_of_row"),
    "weight_gradient": lambda core: primitives.check_weight_gradient(core, 37, 17, 9),
    "transpose": lambda core: primitives.check_transpose(core, 17, 9),
    **{f"augment {a}": lambda core, a=a: checks.check_augmentation(core, a, (8, 6)) for a in checks.AUGMENTATIONS},
}
CHECKS = {
    **WITH_OUTPUTS,
    **{f"real_{name}": lambda core, name=name: primitives.check_elementary(core, name) for name in primitives.NAMES},
    "classes": primitives.check_classes,
    "nonfinite": primitives.check_nonfinite,
}
MY_CORES = pytest.mark.parametrize("core", [f"{backend.level}_{dtype}" for dtype in backend.DTYPES], indirect=True)


@MY_CORES
@pytest.mark.parametrize("name", CHECKS)
def test_right_kernels_pass(core, name):
    """Else the tests below would prove nothing."""
    CHECKS[name](Broken(core))


@MY_CORES
@pytest.mark.parametrize("breaker", [zeros, inputs, drops])
@pytest.mark.parametrize("name", CHECKS)
def test_wrong_kernels_fail(core, breaker, name):
    """Zeros, the input, a term too few."""
    if breaker is inputs and name == "linear":
        return CHECKS[name](breaker(core))  # its output is its input
    with pytest.raises(AssertionError):
        CHECKS[name](breaker(core))


@MY_CORES
@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("name", WITH_OUTPUTS)
def test_kernels_that_write_too_far_fail(core, place, name):
    """One number behind or before the output."""
    with pytest.raises(AssertionError, match="outside"):
        WITH_OUTPUTS[name](overruns(core, place))


@checks.IN_FLOAT64
@pytest.mark.parametrize("entry", [*activations.ENTRIES, *losses.ENTRIES], ids=lambda entry: entry.name)
def test_wrong_derivatives_fail(core, entry):
    """A slope of zero, and one that is a millionth too steep."""
    is_loss = issubclass(entry, losses.Loss)
    check = checks.check_loss_derivative if is_loss else checks.check_activation_derivative
    if entry is activations.Step:
        return  # its derivative is 0 and stays so, times anything; the test below has a wrong one
    for factor in (0, 1 + 1e-6):

        def loss(*arguments, factor=factor):
            out, e, d = core.loss(*arguments)
            return out, e, d * factor

        def backward(*arguments, factor=factor):
            return core.activation_backward(*arguments) * factor

        with pytest.raises(AssertionError, match="derivative"):
            check(Broken(core, loss=loss, activation_backward=backward), entry())


@checks.IN_FLOAT64
def test_wrong_slope_of_a_step_fails(core):
    """The one derivative that is 0 everywhere."""

    def backward(kernel, v, d, h):
        return core.activation_backward(kernel, v, d, h) + 1e-6

    with pytest.raises(AssertionError, match="derivative"):
        checks.check_activation_derivative(Broken(core, activation_backward=backward), activations.Step())


# -- whole networks --------------------------------------------------------------------------------------------------


class Faulty(reference.Engine):
    """The reference in the program's own type, with one fault: the changes that a class below makes."""

    def operation(self, op):
        """What stands in the place of an operation."""
        return op

    def gradient_of(self, op, W, b=None):
        """What stands in the place of its gradients, which may be changed in place."""

    def __init__(self, program, arena):
        fields = {name: getattr(program, name) for name in program._fields}
        super().__init__(type(program)(**fields | {"steps": tuple(map(self.operation, program.steps))}), arena)

    def _update(self, rows, gradients, scalars):
        for op, pair in zip(self.program.trained, gradients, strict=True):
            if pair:
                self.gradient_of(op, *pair)
        super()._update(rows, gradients, scalars)


class Steep(activations.Tanh):
    """A slope that is off by a thousandth."""

    def backward(self, v, d):
        return super().backward(v, d) * v.dtype.type(1.001)


class Short(activations.Tanh):
    """A last unit that is never computed."""

    def forward(self, z):
        a = super().forward(z)
        a[:, -1] = 0
        return a


class WrongSlope(Faulty):
    def operation(self, op):
        return op.replace(activation=Steep()) if op.activation == activations.Tanh() else op


class WithoutLastUnit(Faulty):
    def operation(self, op):
        return op.replace(activation=Short()) if op.activation == activations.Tanh() else op


class WithoutPenaltyOfKernels(Faulty):
    def operation(self, op):
        return op.replace(kernel_regularizer=None)


class WithoutPenaltyOfActivities(Faulty):
    def operation(self, op):
        return op.replace(activity_regularizer=None)


class WithoutConstraint(Faulty):
    def operation(self, op):
        return op.replace(constraint=None)


class Vectors(Faulty):
    """Kernels that the optimizer takes for vectors."""

    def operation(self, op):
        return op.replace(matrices=0)


class AllDecay(Faulty):
    def operation(self, op):
        return op.replace(kernel_decays=True, bias_decays=True)


class WithoutSum(Faulty):
    """The last of the gradients that are added up, alone."""

    def _update(self, rows, gradients, scalars):
        for arrays in rows[-1]:
            for array in arrays:
                array[...] = 0
        super()._update(rows, gradients, scalars)


class WrongParameters(Faulty):
    """A rate of dropout, a deviation of noise, an epsilon, a momentum that are off by a hundredth."""

    def operation(self, op):
        numbers = ("rate", "stddev", "epsilon", "momentum")
        return op.replace(**{name: 0.99 * getattr(op, name) for name in numbers if name in op._fields})


class WithoutLastInput(Faulty):
    """A product with one term too few."""

    def take(self, source, chosen):
        x = super().take(source, chosen)
        if x.shape[1] == self.program.inputs:
            x[:, -1] = 0
        return x


class SwappedSamples(Faulty):
    """The first two rows of a batch change places, and their targets do not."""

    def take(self, source, chosen):
        x = super().take(source, chosen)
        if x.shape[1] == self.program.inputs:
            x[:2] = x[1::-1].copy()
        return x


class SwappedRows(Faulty):
    def gradient_of(self, op, W, b=None):
        W[:2] = W[1::-1].copy()


class WithoutLastGradient(Faulty):
    """A row of a gradient that is never computed."""

    def gradient_of(self, op, W, b=None):
        W[-1:] = 0


class WrongBias(Faulty):
    def gradient_of(self, op, W, b=None):
        b *= b.dtype.type(1.001)


class OtherMask(Faulty):
    def run_steps(self, *arguments):
        *before, outputs, seed, threads = arguments
        return super().run_steps(*before, outputs, seed + 1, threads)


class OtherStep(Faulty):
    """The optimizer's numbers of the step before: another correction of the moments."""

    def run_steps(self, x, y, sample_weight, order, first, count, batch, scalars, *others):
        scalars = scalars[[0, *range(count - 1)]]
        return super().run_steps(x, y, sample_weight, order, first, count, batch, scalars, *others)


class WithoutMoments(Faulty):
    def _update(self, rows, gradients, scalars):
        for row in rows[1:]:
            for arrays in row:
                for array in arrays:
                    array[...] = 0
        super()._update(rows, gradients, scalars)


class WithoutWeights(Faulty):
    """Every sample counts alike."""

    def _loss(self, a, y, chosen, w):
        return super()._loss(a, y, chosen, None)


SGD, ADAM = optimizers.SGD(0.1), optimizers.Adam(0.01, epsilon=1e-3)
FAULTS = [  # the fault, a network where it matters, an optimizer
    *((fault, "dense", SGD) for fault in (WrongSlope, WithoutLastUnit, WithoutLastInput, SwappedSamples, SwappedRows)),
    *((fault, "dense", ADAM) for fault in (WithoutLastGradient, WrongBias, OtherStep, WithoutMoments, WithoutWeights)),
    (WithoutPenaltyOfKernels, "regularizers", SGD),
    (WithoutPenaltyOfActivities, "regularizers", SGD),
    (WithoutConstraint, "max norm", SGD),
    (WithoutConstraint, "not negative", SGD),
    *((WrongParameters, name, SGD) for name in ("dropout", "noise", "batch normalization")),
    (Vectors, "dense", optimizers.Muon(0.01, epsilon=1e-3)),
    (Vectors, "dense", optimizers.Adafactor(0.01, epsilon_1=1e-6)),
    (AllDecay, "dense", optimizers.SGD(0.1, weight_decay=0.1, without_decay=("kernel",))),
    (WithoutSum, "dense", optimizers.SGD(0.1, gradient_accumulation_steps=3)),
    (OtherMask, "dropout", SGD),
    (OtherMask, "noise", SGD),
    (WrongParameters, "layer normalization first", SGD),
]


@pytest.mark.parametrize(("fault", "name", "optimizer"), FAULTS, ids=lambda x: getattr(x, "__name__", None))
def test_wrong_engines_fail(dtype, fault, name, optimizer):
    """In either type; without the fault they pass."""
    networks.compare_ten_steps(dtype, name, optimizer, {"right": Faulty})
    with pytest.raises(AssertionError, match=r"wrong, array .* roundings"):
        networks.compare_ten_steps(dtype, name, optimizer, {"wrong": fault})


@pytest.mark.parametrize("fault", [WithoutLastUnit, WithoutLastInput, SwappedSamples])
def test_wrong_inference_fails(dtype, fault):
    """predict and evaluate."""
    networks.compare_inference(dtype, "dense", {"right": Faulty})
    with pytest.raises(AssertionError, match=r"wrong, array .* roundings"):
        networks.compare_inference(dtype, "dense", {"wrong": fault})
