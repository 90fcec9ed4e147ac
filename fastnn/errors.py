"""Errors that callers may want to catch."""


class DivergenceError(ArithmeticError):
    """Training stopped because a loss or a weight was not finite.

    The model holds the weights of the start of that epoch, or of the one before where already the first loss of the
    epoch was not finite: weights whose loss has been seen to be a number.
    """


class NotBuiltError(AttributeError, ValueError):
    """The model has no layers yet, and so no shapes and no weights; an AttributeError, so that hasattr says False."""


class NotCompiledError(RuntimeError):
    """The model was asked to train or to evaluate before ``compile`` gave it a loss and an optimizer."""
