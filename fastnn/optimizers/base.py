"""What all optimizers have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from math import inf, log
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastnn.activations import Array
from fastnn.basics.checks import whole
from fastnn.basics.settings import Settings

Scalars = NDArray[np.float64]
Steps = NDArray[np.int64]
LEAST_EPSILON = 1e-30  # smaller ones are zero in float32, and 0 / 0 is no step


class Optimizer(Settings, last=True, frozen=False):
    """Base of all optimizers, and the arguments that all of them have.

    learning_rate: a number, or a callable step -> rate (see ``fastnn.schedules``), the first step being 0; a number
    may be changed between and during fits. weight_decay: decoupled, w <- w - rate weight_decay w before each step,
    biases included (Loshchilov and Hutter, ICLR 2019). clipvalue: each gradient is cut to +-clipvalue. clipnorm: the
    gradient of each variable is scaled to this norm where it is longer; global_clipnorm: that of all variables
    together. use_ema: keeps a moving average of the weights with factor ema_momentum, which replaces the weights at
    the end of a fit, and after every ema_overwrite_frequency steps where that is given.
    gradient_accumulation_steps: so many steps (2 or more) only add up their gradients; the last of them updates the
    weights by their mean. Schedules count all steps, bias corrections only the updates. loss_scale_factor: accepted for
    Keras' sake; it helps numbers of 16 bits, which are not used here, and changes nothing. name: as in Keras.
    without_decay: names of weights that do not decay; see ``exclude_from_weight_decay``.

    Settings may be changed later, with the constructor's checks, except where a compiled model rests on them: clipping,
    use_ema, accumulation, without_decay, and what adds or takes away state (amsgrad, centered, a momentum that becomes
    or was 0, nesterov with momentum, the initial accumulator). Changing those raises AttributeError; make a new
    optimizer and compile again.
    """

    _quiet = (
        "ema_overwrite_frequency",
        "loss_scale_factor",
        "gradient_accumulation_steps",
        "name",
        "without_decay",
    )

    _named = ("without_decay",)  # which Keras does not have

    learning_rate: float | Callable[[int], float]
    weight_decay: float | None = None
    clipnorm: float | None = None
    clipvalue: float | None = None
    global_clipnorm: float | None = None
    use_ema: bool = False
    ema_momentum: float = 0.99
    ema_overwrite_frequency: int | None = None
    loss_scale_factor: float | None = None
    gradient_accumulation_steps: int | None = None
    name: str = "optimizer"
    without_decay: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.name is None:
            object.__setattr__(self, "name", type(self).name)
        if not isinstance(self.name, str):
            raise TypeError(f"{type(self).__name__}: name must be a text, got {self.name!r}")
        for name, least in (("ema_overwrite_frequency", 1), ("gradient_accumulation_steps", 2)):
            if getattr(self, name) is not None:
                whole(f"{type(self).__name__}: {name}", getattr(self, name), least)
        if self.loss_scale_factor is not None:
            self._numbers("loss_scale_factor", above=0)
        object.__setattr__(self, "without_decay", patterns(type(self).__name__, self.without_decay))
        if not callable(self.learning_rate) or isinstance(self.learning_rate, type):
            self._numbers("learning_rate", least=0, below=np.inf)
        if self.weight_decay is not None:
            self._numbers("weight_decay", least=0, below=np.inf)
        clips = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, name) is not None]
        self._numbers(*clips, above=0)
        if len(clips) > 1:
            raise ValueError("only one of clipnorm, clipvalue and global_clipnorm can be set")
        self._numbers(*self._own("ema_momentum", "momentum", "rho", "beta_1", "beta_2"), least=0, below=1)
        self._numbers(*self._own("epsilon"), least=LEAST_EPSILON, below=np.inf)
        self._flags(*self._own("use_ema", "nesterov", "amsgrad", "centered"))

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._fields:
            super().__setattr__(name, value)
            return
        before, lowered = getattr(self, name), self._lowered()
        object.__setattr__(self, name, value)
        try:
            self.__post_init__()
            if self._lowered() != lowered:
                raise AttributeError(
                    f"{type(self).__name__}: {name} cannot change from {before!r} to {value!r}, since compiled models"
                    " rest on it; make a new optimizer and compile again"
                )
        except BaseException:
            object.__setattr__(self, name, before)
            raise

    def become(self, other: Optimizer) -> None:
        """Takes over the settings of another one of the same kind."""
        self.__dict__.update(other.copied().__dict__)

    def __copy__(self) -> Self:
        new = super().__copy__()
        new.__dict__.pop("_network", None)  # a copy belongs to no model
        return new

    def __getstate__(self) -> dict[str, Any]:
        # nor does what a file holds
        return {name: value for name, value in self.__dict__.items() if name != "_network"}

    @property
    def iterations(self) -> int:
        """Finished updates of the model whose ``model.optimizer`` this is; 0 of any other."""
        network = self._trained()
        return 0 if network is None else int(network.iterations) // (self.gradient_accumulation_steps or 1)

    @property
    def variables(self) -> list[Array]:
        """Copies of iterations, learning rate and all state, weight by weight, of a ``model.optimizer``; else []."""
        network = self._trained()
        if network is None:
            return []
        rate = self.rates(np.array([network.iterations + 1]))
        return [np.array(self.iterations), rate.astype(network.dtype)[0], *network.optimizer_state()]

    def _trained(self) -> Any:
        """The network of the model whose own optimizer this is, None of any other."""
        network = vars(self).get("_network")
        return network and network()

    def _lowered(self) -> tuple[Any, ...]:
        """What a compiled program has taken from the optimizer."""
        clips = (self.clipnorm, self.clipvalue, self.global_clipnorm)
        averages = (self.use_ema, self.ema_overwrite_frequency, self.gradient_accumulation_steps)
        return (self.kernel, self.slots, self.initial, *clips, *averages, self.without_decay)

    def _own(self, *names: str) -> list[str]:
        """Those names that are settings of this optimizer."""
        return [name for name in names if name in self._fields]

    @property
    def kernel(self) -> int:
        """Number of the compiled kernel."""
        raise NotImplementedError

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays, each of the shape of the weights."""
        return ()

    @property
    def state(self) -> tuple[str, ...]:
        """Names of all that is kept for each weight: the slots, a moving average, a sum of gradients."""
        more = {"average": self.use_ema, "accumulated gradient": self.gradient_accumulation_steps is not None}
        return (*self.slots, *(name for name, kept in more.items() if kept))

    @property
    def initial(self) -> float:
        """Value of the first state array before the first step; the others begin at zero."""
        return 0.0

    def rates(self, steps: Steps) -> Scalars:
        """The learning rate of each step, counted from 1."""
        rate: Any = self.learning_rate
        if getattr(rate, "vectorized", False):  # a schedule of fastnn.schedules
            return np.asarray(rate(steps - 1), dtype=np.float64)
        if callable(rate):
            return np.array([float(rate(int(step) - 1)) for step in steps])
        return np.full(len(steps), float(rate))

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        """The numbers of the steps (counted from 1) with their learning rates: array (len(steps), k)."""
        raise NotImplementedError

    def all_scalars(self, steps: Steps) -> Scalars:
        """``scalars`` with two more columns: the factors of the moving average and of the decaying weights."""
        rates = self.rates(steps)
        updates = (steps - 1) // (self.gradient_accumulation_steps or 1) + 1
        own = self.scalars(updates, rates)
        out = np.empty((len(steps), own.shape[1] + 2))
        out[:, :-2] = own
        out[:, -2] = (updates > 1) * self.ema_momentum  # the average begins with the first weights
        out[:, -1] = 1 - rates * (self.weight_decay or 0.0)
        return out

    def settled(self) -> bool:
        """Whether the settings alone decide ``all_scalars`` of steps to come, and no function of the user's."""
        rate: Any = self.learning_rate
        for formula in (self.rates, self.scalars, self.all_scalars):
            if not getattr(formula, "__module__", "").startswith("fastnn."):
                return False
        return not callable(rate) or bool(getattr(rate, "settled", False))

    def updates_at(self, step: int) -> bool:
        """Whether a step, counted from 1, changes the weights."""
        return step % (self.gradient_accumulation_steps or 1) == 0

    def overwrites_at(self, step: int) -> bool:
        """Whether the moving average takes the place of the weights after a step, counted from 1."""
        often = self.ema_overwrite_frequency
        updates = (step - 1) // (self.gradient_accumulation_steps or 1) + 1
        return self.use_ema and often is not None and updates % often == 0

    # -- what belongs to single weights --------------------------------------------------------------------------------

    def exclude_from_weight_decay(self, var_list: Iterable[Any] | None = None, var_names: Iterable[str] = ()) -> None:
        """Has some weights not decay; to be called before ``compile``.

        var_list: weights of layers of a built model, such as ``layer.bias``. var_names: regular expressions, searched
        in names such as "kernel", "bias", "gamma"; one with a "/" must be the whole path, such as "dense/kernel".

        >>> from fastnn import optimizers
        >>> one = optimizers.AdamW(); one.exclude_from_weight_decay(var_names=["bias"]); one.without_decay
        ('bias',)
        """
        if self._trained() is not None:
            raise ValueError("exclude_from_weight_decay comes before compile; make a new optimizer and compile again")
        paths = []
        for one in () if var_list is None else var_list:
            if not isinstance(getattr(one, "path", None), str):
                raise TypeError(f"var_list must hold weights of layers, such as model.layers[0].bias, got {one!r}")
            paths.append(one.path)
        names = (*paths, *patterns("exclude_from_weight_decay", var_names))
        object.__setattr__(self, "without_decay", names)

    def decays(self, path: str) -> bool:
        """Whether ``weight_decay`` means a weight; path: the names of its layer and of itself, "dense/kernel"."""
        name = path.rpartition("/")[2]
        return not any(path == one if "/" in one else re.search(one, name) for one in self.without_decay)

    def matrices(self, path: str, shape: tuple[int, ...]) -> int:
        """How many matrices a weight of this shape is for ``update``, one after another; 0: it is a vector.

        Most optimizers update each number by itself, and all weights are vectors to them.
        """
        return 0

    @property
    def vector_decay(self) -> int | None:
        """Which of ``scalars`` is the factor of decaying vectors, where they do not decay as matrices do."""
        return None

    def decay_factor(self, scalars: Array, matrix: bool) -> Any:
        """The factor of a decaying weight, from a row of ``all_scalars``."""
        place = self.vector_decay
        return scalars[-1] if matrix or place is None else scalars[place]

    def matrix_cost(self, rows: int, columns: int) -> float:
        """Floating-point operations of an update of a matrix, beside those for each number."""
        return 0.0

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        """One step for the gradient g, in place; h is one row of ``scalars``."""
        raise NotImplementedError


def patterns(what: str, given: Any) -> tuple[str, ...]:
    """Regular expressions for names of weights, checked."""
    if given is None:
        return ()
    if isinstance(given, str) or not all(isinstance(one, str) for one in given):
        raise TypeError(f"{what}: names of weights must be a list of texts, such as ['bias'], got {given!r}")
    for one in given:
        try:
            re.compile(one)
        except re.error as error:
            raise ValueError(f"{what}: {one!r} is no regular expression: {error}") from None
    return tuple(given)


def columns(rates: Scalars, *constants: float) -> Scalars:
    """Numbers of steps as ``scalars`` returns them: (len(rates), 1 + constants), of which only the rates differ."""
    out = np.empty((len(rates), 1 + len(constants)))
    out[:, 0] = rates
    out[:, 1:] = constants
    return out


def average(mean: Array, beta: float, one_minus_beta: float, value: Array) -> None:
    """mean <- beta mean + (1 - beta) value, in place."""
    mean *= beta
    mean += one_minus_beta * value


def fullness(beta: float, steps: Steps) -> Scalars:
    """1 - beta^t: the weight of all samples in a moving average that began with zero."""
    logarithm = log(beta) if beta else -inf
    return -np.expm1(np.maximum(steps * logarithm, -50))  # not below: an underflow would take 100 times as long
