"""What programs ask Keras' backend for: one number type and no session."""

from fastnn.utils import clear_session

__all__ = ["clear_session", "epsilon", "floatx"]


def epsilon() -> float:
    """Keras' small number, 1e-7."""
    return 1e-7


def floatx() -> str:
    """The number type of models unless they are told otherwise.

    >>> floatx()
    'float32'
    """
    return "float32"
