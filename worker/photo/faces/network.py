"""YuNet, a small convolutional network that finds faces, computed with numpy.

W. Wu, H. Peng, S. Yu, YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20, 2023. The
weights are 50,854 numbers of libfacedetection; yunet-licence.txt says where they come from. Arrays are rows, columns,
channels. All of it runs in the calling thread: worker/child/sandbox.py lets OpenBLAS start no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

STRIDES = (8, 16, 32)
"""Pixels of the picture between two places of each level at which the network looks for a face."""


@dataclass(frozen=True)
class Unit:
    """A convolution of 1 x 1 pixel over all channels, then one of 3 x 3 pixels in each channel."""

    across: Array
    across_bias: Array
    around: Array
    around_bias: Array

    def __call__(self, source: Array, *, positive: bool = True) -> Array:
        """`positive`: negative numbers become 0."""
        rows, columns, _ = source.shape
        padded = np.zeros((rows + 2, columns + 2, self.across.shape[1]), np.float32)
        padded[1:-1, 1:-1] = source @ self.across + self.across_bias
        result = np.empty((rows, columns, self.across.shape[1]), np.float32)
        result[:] = self.around_bias
        for place, weights in enumerate(self.around):
            row, column = divmod(place, 3)
            result += padded[row : row + rows, column : column + columns] * weights
        return np.maximum(result, 0, out=result) if positive else result


class Head(NamedTuple):
    """What is said of each place of a level: whether it is a face, whether it is an object, and the box."""

    face: Unit
    thing: Unit
    box: Unit


class _Reader:
    """Takes the weights from the file in the order in which they are used."""

    def __init__(self, numbers: Array) -> None:
        self._numbers = numbers

    def take(self, *shape: int) -> Array:
        size = int(np.prod(shape))
        taken, self._numbers = self._numbers[:size], self._numbers[size:]
        return taken.reshape(shape)

    def unit(self, inputs: int, outputs: int) -> Unit:
        return Unit(self.take(inputs, outputs), self.take(outputs), self.take(9, outputs), self.take(outputs))


class YuNet:
    """The network. `found` runs it."""

    def __init__(self, numbers: Array) -> None:
        reader = _Reader(numbers)
        self._first, self._first_bias = reader.take(27, 16), reader.take(16)
        self._second = reader.unit(16, 16)
        sizes = (16, 16), (16, 32), (32, 32), (32, 64), *[(64, 64)] * 6
        units = [reader.unit(*size) for size in sizes]
        self._stages = list(zip(units[::2], units[1::2], strict=True))
        self._joints = [reader.unit(64, 64) for _ in STRIDES]
        self._heads = [Head(reader.unit(64, 1), reader.unit(64, 1), reader.unit(64, 4)) for _ in STRIDES]

    def found(self, picture: Array) -> Array:
        """All places: an array of n x 5, with left, top, right and bottom in pixels, and the confidence in 0 to 1.

        `picture` has the levels 0 to 255 of red, green and blue, and sides that are multiples of 32.
        """
        levels = self._levels(picture)
        return np.concatenate([_decoded(*each) for each in zip(levels, self._heads, STRIDES, strict=True)])

    def _levels(self, picture: Array) -> list[Array]:
        """What the network knows of the picture at each of the STRIDES."""
        rows, columns, _ = picture.shape
        padded = np.zeros((rows + 2, columns + 2, 3), np.float32)
        padded[1:-1, 1:-1] = picture
        patches = [
            padded[row : row + rows : 2, column : column + columns : 2] for row in range(3) for column in range(3)
        ]
        current = np.maximum(np.concatenate(patches, axis=2) @ self._first + self._first_bias, 0)
        current = _halved(self._second(current))
        levels = []
        for number, (one, two) in enumerate(self._stages):
            if number >= 2:
                current = _halved(current)
            current = two(one(current))
            levels.append(current)
        near, middle, far = levels[2:]
        far = self._joints[2](far)
        middle = self._joints[1](middle + _doubled(far))
        return [self._joints[0](near + _doubled(middle)), middle, far]


def _decoded(level: Array, head: Head, stride: int) -> Array:
    confidence = np.sqrt(_sigmoid(head.face(level, positive=False)) * _sigmoid(head.thing(level, positive=False)))
    box = head.box(level, positive=False)
    down, across = np.indices(level.shape[:2], np.float32)
    middle = (np.stack([across, down], axis=2) + box[..., :2]) * stride
    half = np.exp(np.minimum(box[..., 2:], 10)) * (stride / 2)
    return np.concatenate([middle - half, middle + half, confidence], axis=2).reshape(-1, 5)


def _sigmoid(values: Array) -> Array:
    sigmoid: Array = np.reciprocal(np.exp(-np.clip(values, -50, 50)) + np.float32(1))
    return sigmoid


def _halved(values: Array) -> Array:
    """The largest of each 2 x 2."""
    rows, columns, channels = values.shape
    halved: Array = values.reshape(rows // 2, 2, columns // 2, 2, channels).max(axis=(1, 3))
    return halved


def _doubled(values: Array) -> Array:
    return values.repeat(2, axis=0).repeat(2, axis=1)


def load() -> YuNet:
    """Read the weights. Done once, in the process that children are forked from: they open no files."""
    return YuNet(np.frombuffer(files(__package__).joinpath("yunet.weights").read_bytes(), "<f4"))
