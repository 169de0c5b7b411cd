"""ONNX networks in OpenVINO, on the CPU in fp32."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import torch
from torch import Tensor

_TYPES = {"f32": "float", "f16": "float16"}


class OpenVinoSession:
    """A running ONNX network; like ``onnx_file.Session``. Any number of threads may call it at once.

    Args:
        content: Content of the file. It must not keep weights in other files.
        threads: Threads per call.

    Attributes:
        engine: Name of the engine, for messages.
        inputs: Type, in ONNX Runtime's words, and shape of each input; free sides are None.
        outputs: Name of each output, empty if it has none.
    """

    engine = "OpenVINO"

    def __init__(self, content: bytes, threads: int) -> None:
        core = _core()
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,  # other stages of a pipeline need the CPUs
        }
        self._network: Any = core.compile_model(core.read_model(content), "CPU", settings)
        self.inputs = [(_type(each), _shape(each)) for each in self._network.inputs]
        self.outputs = [min(each.get_names(), default="") for each in self._network.outputs]
        self._local = threading.local()

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """The network's outputs for one input."""
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._network.create_infer_request()
        request.infer([images.contiguous().numpy()], share_inputs=True)
        outputs = (request.get_output_tensor(number).data for number in range(len(self._network.outputs)))
        return tuple(torch.from_numpy(output.copy()) for output in outputs)


@cache
def _core() -> Any:
    """OpenVINO's devices, which live as long as the program.

    Each core lends the thread another stack for signals and takes it back when it ends. Cores that do not end in
    reverse order leave a stack that is gone, and Ctrl-C would then crash the program.
    """
    import openvino

    return openvino.Core()


def _type(port: Any) -> str:
    name = port.get_element_type().get_type_name()
    return f"tensor({_TYPES.get(name, name)})"


def _shape(port: Any) -> list[int | None]:
    return [side.get_length() if side.is_static else None for side in port.get_partial_shape()]
