"""Models: ``Sequential``, and what makes one from another or from a file."""

from typing import TYPE_CHECKING, Any

from fastnn.models.cloning import clone_model, model_from_json, save_model
from fastnn.models.sequential import Sequential

if TYPE_CHECKING:
    from fastnn.models.loading import load as load_model

__all__ = ["Sequential", "clone_model", "load_model", "model_from_json", "save_model"]


def __getattr__(name: str) -> Any:
    if name != "load_model":
        from fastnn.basics.absent import absent

        raise AttributeError(absent(__name__, name, __all__))
    from fastnn.models.loading import load

    return load
