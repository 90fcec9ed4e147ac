"""The weights of an estimator under scikit-learn's names. They live in the network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from fastnn.engine.network import Network
from fastnn.engine.program import lower
from fastnn.estimators import building
from fastnn.estimators.objectives import Objective

Array = NDArray[Any]


class Weights(BaseEstimator):
    """``coefs_`` and ``intercepts_``: who asks for them gets copies; what is done to these counts at the next call."""

    _network: Network
    _objective: Objective
    _structure: list[Any] | None
    _handed: list[Any]  # the copies that somebody has got, or weights without a network yet
    out_activation_: str

    def _has_weights(self) -> bool:
        return "_network" in vars(self) or all(part is not None for part in vars(self).get("_handed", [None]))

    @property
    def coefs_(self) -> list[Array]:
        """Weights of each layer, (inputs, outputs)."""
        return self._hand_out(0)

    @coefs_.setter
    def coefs_(self, value: list[Array]) -> None:
        self._take_back(0, value)

    @property
    def intercepts_(self) -> list[Array]:
        """Biases of each layer, (outputs,)."""
        return self._hand_out(1)

    @intercepts_.setter
    def intercepts_(self, value: list[Array]) -> None:
        self._take_back(1, value)

    def _hand_out(self, place: int) -> list[Array]:
        handed = vars(self).get("_handed")
        if handed is None and "_network" in vars(self):
            handed = self._handed = list(building.read_weights(self._network))
        if handed is None or handed[place] is None:
            name = ("coefs_", "intercepts_")[place]
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}; call fit first")
        return handed[place]

    def _take_back(self, place: int, value: list[Array]) -> None:
        if "_network" in vars(self):
            self._hand_out(place)
        handed = list(vars(self).get("_handed", [None, None]))
        handed[place] = value
        self._handed = handed

    def _network_now(self) -> Network:
        """The network with the weights as they are now, or scikit-learn's error where nothing was learnt."""
        state = vars(self)
        if "_handed" not in state:
            if "_network" not in state:
                check_is_fitted(self)
            return self._network
        if "_network" not in state:
            self._adopt()
        coefs, intercepts = self._handed
        old = building.read_weights(self._network)
        if not all(np.array_equal(a, b) for a, b in zip([*coefs, *intercepts], [*old[0], *old[1]], strict=True)):
            building.write_weights(self._network, coefs, intercepts)
        return self._network

    def _adopt(self) -> None:
        """A network around weights that were set by hand."""
        check_is_fitted(self)
        coefs = [np.asarray(one) for one in self.coefs_]
        hidden = [one.shape[1] for one in coefs[:-1]]
        dtype = np.dtype(np.float32) if coefs[0].dtype == np.float32 else np.dtype(np.float64)
        activation = building.activation_of(self.out_activation_)
        layers = building.layers_of(self, coefs[0].shape[0], hidden, coefs[-1].shape[1], activation)
        self._network = Network(lower(layers, dtype))
        building.write_weights(self._network, coefs, self.intercepts_)
        self._structure, self._objective = None, Objective(None, coefs[-1].shape[1], self.out_activation_)  # type: ignore[arg-type]

    @property
    def _optimizer(self) -> Any:
        """Has the learning rate, under scikit-learn's name."""
        return self._network.program.optimizer_object

    def __sklearn_is_fitted__(self) -> bool:
        return self._has_weights()

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "_handed" in state and "_network" in state:
            self._network_now()
            del state["_handed"]
        return state
