"""A model or an estimator from a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from fastnn.basics import container
from fastnn.entering import keras_files
from fastnn.models import loading
from fastnn.models.entering import load_keras


def load(
    path: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    check_finite: bool = True,
) -> Any:
    """What ``save(path)`` of a model or of an estimator wrote: it predicts, and goes on training, with the same bits.

    A ``.keras`` file of Keras 3 too (with h5py): its layers and weights, not compiled.

    custom_objects: name -> class or function of your own, for each that it uses; nothing in the file is ever run.
    compile: False leaves optimizer, loss and metrics of a model out. check_finite: False takes NaN and infinity as
    weights.

    Raises ValueError, without building anything, where the file is damaged, was made by a newer version, or needs an
    object that ``custom_objects`` lacks.
    """
    if keras_files.is_model(path):
        return load_keras(path, custom_objects)
    arrays, description = container.read(path)
    if description is not None and description.get("kind") == "estimator":
        from fastnn.estimators.loading import built

        return built(path, arrays, description, custom_objects, check_finite)
    return loading.built(path, arrays, description, custom_objects, compile, check_finite)
