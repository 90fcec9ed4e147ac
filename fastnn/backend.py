"""What programs ask Keras' backend for: its settings (see ``fastnn.config``), and a session, which there is none."""

from fastnn.config import (
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from fastnn.utils import clear_session

__all__ = [
    "clear_session",
    "epsilon",
    "floatx",
    "image_data_format",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]
