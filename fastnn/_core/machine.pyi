import numpy as np
from numpy.typing import NDArray

pool: object

def level() -> int: ...
def within(values: object, lowest: float, highest: float, whole: bool = False) -> bool: ...
def random_words(seed: int, stream: int, n: int) -> NDArray[np.uint32]: ...
def permutation(seed: int, stream: int, n: int) -> NDArray[np.int64]: ...
def perceptron_epoch(
    x: NDArray[np.float64],
    t: NDArray[np.float64],
    order: NDArray[np.int64],
    w: NDArray[np.float64],
    rate: float,
    intercept: bool,
) -> int: ...
