"""Keras' older helpers for images: ``preprocessing.image.ImageDataGenerator``."""

from fastnn.preprocessing import image

__all__ = ["image"]
