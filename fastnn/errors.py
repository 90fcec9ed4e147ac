"""Errors that callers may want to catch."""


class DivergenceError(ArithmeticError):
    """Training stopped because a loss was not finite. The model holds the weights of the start of that epoch."""


class NotCompiledError(RuntimeError):
    """The model was asked to train or to evaluate before ``compile`` gave it a loss and an optimizer."""
