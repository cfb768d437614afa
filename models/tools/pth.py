"""Reads PyTorch's legacy `.pth` files without PyTorch.

The format runs whatever its pickles name, so this reader resolves four names and refuses all others; and it saves a
download of PyTorch, which is fifty times the size of the weights. The file is a run of pickles (magic number, protocol
version, machine facts, the object itself, the order of the storages) and then each storage as a count and raw numbers.
"""

import io
import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001


@dataclass(frozen=True)
class _Storage:
    """A flat run of numbers, known by key until its bytes are read."""

    key: str
    dtype: np.dtype


@dataclass(frozen=True)
class _Tensor:
    """A strided view into a storage; offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        """Copies the view into a C-contiguous array, after checking that it stays inside its storage."""
        flat = storages[self.storage.key]
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.strides))
        if self.offset < 0 or min(self.strides, default=0) < 0 or last >= flat.size:
            raise pickle.UnpicklingError(f"tensor reaches past storage {self.storage.key}: {self}")
        strides_bytes = [step * flat.itemsize for step in self.strides]
        view = np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, strides_bytes, writeable=False)
        return np.ascontiguousarray(view)


def _rebuild_tensor(storage, offset, shape, strides, requires_grad, backward_hooks) -> _Tensor:
    """Takes the place of `torch._utils._rebuild_tensor_v2`; the last two only matter for training."""
    return _Tensor(storage, offset, shape, strides)


class _WeightsUnpickler(pickle.Unpickler):
    _ALLOWED = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch", "FloatStorage"): np.dtype("<f4"),
        ("torch", "LongStorage"): np.dtype("<i8"),
    }

    def find_class(self, module: str, name: str):
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"refused to load {module}.{name} from a weights file") from None

    def persistent_load(self, pid) -> _Storage:
        kind, dtype, key, _device, _count, view = pid
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError(f"unknown reference in a weights file: {pid!r}")
        return _Storage(key, dtype)


def read_state_dict(data: bytes) -> dict[str, np.ndarray]:
    """Returns every tensor of a legacy `.pth` by name, in C order whatever its order in the file."""
    file = io.BytesIO(data)
    if _WeightsUnpickler(file).load() != MAGIC_NUMBER or _WeightsUnpickler(file).load() != PROTOCOL_VERSION:
        raise pickle.UnpicklingError("not a legacy PyTorch file")
    machine = _WeightsUnpickler(file).load()
    if not machine["little_endian"]:
        raise pickle.UnpicklingError("big-endian weights are not supported")
    tensors = _WeightsUnpickler(file).load()
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
    storage_keys = _WeightsUnpickler(file).load()

    storages = {}
    for key in storage_keys:
        (count,) = struct.unpack("<q", file.read(8))
        raw = file.read(count * dtypes[key].itemsize)
        storages[key] = np.frombuffer(raw, dtypes[key], count)
    return {name: tensor.read(storages) for name, tensor in tensors.items()}
