"""`Weights`: the large constants of an ONNX model, outside of its messages until the model is written.

A message of protobuf holds 2 GiB at most, and copying one into another costs its size. So a message has a reference in
place of a large constant, in the fields that ONNX has for data in another file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnx_ir
from onnx import GraphProto, ModelProto, TensorProto, numpy_helper

Array = np.ndarray[Any, np.dtype[Any]]

LARGE = 1024
"""Constants of so many bytes are large."""

ALIGNMENT = 4096
"""Constants in another file begin at multiples of this, the size of a page of memory, so that they can be mapped."""


class Weights:
    """The large constants of one model by reference."""

    def __init__(self) -> None:
        self._arrays: list[Array] = []

    def tensor(self, array: Array, name: str) -> TensorProto:
        """Returns a tensor of that name: the array itself, or a reference to it if it is large."""
        if array.nbytes < LARGE:
            return numpy_helper.from_array(array, name)
        tensor = TensorProto(name=name, data_type=onnx_ir.DataType.from_numpy(array.dtype), dims=array.shape)
        _refer(tensor, self._keep(array))
        return tensor

    def array(self, tensor: TensorProto) -> Array:
        """Returns the values of a tensor."""
        if tensor.data_location != TensorProto.EXTERNAL:
            return numpy_helper.to_array(tensor)
        return self._arrays[_reference(tensor)]

    def take(self, model: onnx_ir.Model) -> None:
        """Replaces the large initializers of the exporter's model by references, in the model itself."""
        for name, value in model.graph.initializers.items():
            constant = value.const_value
            if constant is not None and constant.nbytes >= LARGE:
                array = constant.numpy()
                location, shape = str(self._keep(array)), onnx_ir.Shape(array.shape)
                value.const_value = onnx_ir.ExternalTensor(location, None, None, constant.dtype, shape=shape, name=name)

    def size(self, model: ModelProto) -> int:
        """Returns the number of bytes of the model with its large constants inside."""
        return int(model.ByteSize()) + sum(
            self._arrays[_reference(tensor)].nbytes for tensor in _references(model.graph)
        )

    def inside(self, model: ModelProto) -> ModelProto:
        """Returns the model with its large constants in place of the references, after onnx has checked it."""
        whole = ModelProto()
        whole.CopyFrom(model)
        for tensor in _references(whole.graph):
            array = self._arrays[_reference(tensor)]
            tensor.ClearField("data_location")
            del tensor.external_data[:]
            tensor.raw_data = _little_endian(array).tobytes()
        onnx.checker.check_model(whole)
        return whole

    def beside(self, model: ModelProto, file: str) -> tuple[ModelProto, Iterator[Array]]:
        """Returns the model with references to a file beside it, and the parts of that file in their order.

        Args:
            model: the model.
            file: the name of the file.
        """
        referring, parts, end = ModelProto(), list[Array](), 0
        referring.CopyFrom(model)
        for tensor in _references(referring.graph):
            array = self._arrays[_reference(tensor)]
            start = -(-end // ALIGNMENT) * ALIGNMENT
            _refer(tensor, file, offset=start, length=array.nbytes)
            parts += [np.zeros(start - end, dtype=np.uint8), array]
            end = start + array.nbytes
        return referring, (_little_endian(part) for part in parts)

    def _keep(self, array: Array) -> int:
        self._arrays.append(array)
        return len(self._arrays) - 1


def _little_endian(array: Array) -> Array:
    """The array as ONNX stores it: in C order, the low byte first."""
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))


def _references(graph: GraphProto) -> Iterator[TensorProto]:
    """The tensors with references in a graph and its branches."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _references(attribute.g)
    yield from (tensor for tensor in graph.initializer if tensor.data_location == TensorProto.EXTERNAL)


def _refer(tensor: TensorProto, location: object, **more: int) -> None:
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=str(value))


def _reference(tensor: TensorProto) -> int:
    return int(next(entry.value for entry in tensor.external_data if entry.key == "location"))
