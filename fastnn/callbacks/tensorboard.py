"""Logs for TensorBoard, written by ``tensorboardX`` or ``tensorboard``, whichever is installed."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from fastnn.basics.checks import flag, whole
from fastnn.callbacks.base import Callback, Logs


class TensorBoard(Callback):
    """Writes the logs of each epoch as curves that TensorBoard shows: "epoch_loss" and others, by Keras' names.

    log_dir: a folder, in which "train" and "validation" are made. histogram_freq: each so many epochs the weights are
    written too, as histograms, where the writer knows them (tensorboardX); 0 writes none. The rest is there for Keras'
    sake: there are no graphs, images, embeddings or profiles, and update_freq must be "epoch". Needs the package
    tensorboardX or tensorboard; ImportError where neither is installed.

    >>> board = TensorBoard(log_dir="logs", histogram_freq=0)
    """

    records = True

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = whole("histogram_freq", histogram_freq, 0)
        flag("write_graph", write_graph)
        wanted = {
            "write_images": write_images,
            "write_steps_per_second": write_steps_per_second,
            "profile_batch": profile_batch,
            "embeddings_freq": embeddings_freq,
            "embeddings_metadata": embeddings_metadata,
        }
        for name, value in wanted.items():
            if value:
                raise ValueError(f"TensorBoard: {name} is missing here, got {value!r}; leave it out")
        if update_freq != "epoch":
            raise ValueError(f"TensorBoard: update_freq must be 'epoch' here, got {update_freq!r}")
        self._writers: dict[str, Any] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        _writer_class()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        for name, value in (logs or {}).items():
            part = "validation" if name.startswith("val_") else "train"
            if isinstance(value, (int, float)) or getattr(value, "ndim", 1) == 0:
                self._writer(part).add_scalar(f"epoch_{name.removeprefix('val_')}", float(value), epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._histograms(epoch)
        for writer in self._writers.values():
            writer.flush()

    def _histograms(self, epoch: int) -> None:
        writer = self._writer("train")
        if not hasattr(writer, "add_histogram"):
            raise ImportError("TensorBoard: histograms need the package tensorboardX; install it, or histogram_freq=0")
        for layer in self.model.layers:
            for i, values in enumerate(layer.get_weights()):
                writer.add_histogram(f"{layer.name}/{i}", values, epoch)

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            self._writers[part] = _writer_class()(os.path.join(self.log_dir, part))
        return self._writers[part]

    def on_train_end(self, logs: Logs | None = None) -> None:
        while self._writers:
            self._writers.popitem()[1].close()


def _writer_class() -> Any:
    for module, name in (("tensorboardX", "SummaryWriter"), ("tensorboard.summary", "Writer")):
        try:
            return getattr(import_module(module), name)
        except ImportError:
            continue
    raise ImportError("TensorBoard needs the package tensorboardX or tensorboard: pip install tensorboardX")


class SwapEMAWeights(Callback):
    """Keras' callback that evaluates a model with its averaged weights. Here ``fit`` validates with them anyway.

    So it only checks that the optimizer averages weights (use_ema=True), and refuses swap_on_epoch=True, after which
    training would go on from the average.

    >>> swap = SwapEMAWeights()
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        if flag("swap_on_epoch", swap_on_epoch):
            raise ValueError("SwapEMAWeights: swap_on_epoch=True is missing here; the fit ends with the average anyway")

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if not self.model.optimizer.use_ema:
            raise ValueError("SwapEMAWeights needs an optimizer with use_ema=True")
