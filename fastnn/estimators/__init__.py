"""scikit-learn's neural networks, on fastnn's engine: change one import. Needs scikit-learn (extra ``sklearn``).

>>> from fastnn.estimators import MLPClassifier  # instead of sklearn.neural_network
>>> MLPClassifier((2,), solver="lbfgs", activation="tanh", random_state=4).fit([[0, 0], [0, 1], [1, 0], [1, 1]],
...     [0, 1, 1, 0]).predict([[0, 1], [1, 1]])
array([1, 0])
"""

try:
    import sklearn.utils.validation
except ImportError as error:
    raise ImportError("fastnn.estimators needs scikit-learn 1.7 or newer: pip install scikit-learn") from error
if not hasattr(sklearn.utils.validation, "validate_data"):
    raise ImportError(f"fastnn.estimators needs scikit-learn 1.7 or newer, this is {sklearn.__version__}; upgrade it")

from fastnn.estimators.classifier import MLPClassifier
from fastnn.estimators.loading import load
from fastnn.estimators.perceptron import Perceptron
from fastnn.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "Perceptron", "load"]
