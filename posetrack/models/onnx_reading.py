"""ONNX networks from files of unknown origin: checked before they are loaded, and no other file is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from posetrack.errors import ConfigError, WeightsError
from posetrack.forking import threads_at_work
from posetrack.models.engines import Engine
from posetrack.models.onnx_file import OPSET, Runner, session_in
from posetrack.records import shortened

_MOST_BYTES = 2**31 - 1
"""An ONNX file is one protocol buffer, which cannot be larger."""

_CODES = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (/onnxruntime_src/\S+ )?")

_EXTERNAL = 1
"""``TensorProto.EXTERNAL``: the values are in another file."""


def read_onnx(path: Path, engine: Engine = "onnxruntime") -> Callable[[Tensor], Any]:
    """A network from an ONNX file, on the CPU: float32 [B, ...] to a tensor, or a tuple of several.

    Raises:
        ConfigError, WeightsError: see ``open_session``.
    """
    session, threads = open_session(path, engine), torch.get_num_threads()

    def network(images: Tensor) -> Any:
        threads_at_work(threads)
        outputs = session(images)
        return outputs[0] if len(outputs) == 1 else outputs

    return network


def require_runtime(what: str, engine: Engine) -> None:
    """Raises ``ConfigError`` if a package is missing that an ONNX file needs: OpenVINO, or else ONNX Runtime."""
    package, extra = ("openvino", "openvino") if engine == "openvino" else ("onnxruntime", "onnx")
    missing = [name for name in ("onnx", package) if find_spec(name) is None]
    if missing:
        raise ConfigError(f"{what} needs {' and '.join(missing)}: pip install '.[{extra}]' in posetrack's clone.")


def open_session(path: Path, engine: Engine = "onnxruntime") -> Runner:
    """An ONNX file, loaded.

    Args:
        path: The file.
        engine: What it runs in: OpenVINO, or else ONNX Runtime.

    Raises:
        ConfigError: a package is not installed.
        WeightsError: the file cannot be read, is no ONNX network or too new a one, or keeps its weights elsewhere.
    """
    require_runtime(str(path), engine)
    program = "OpenVINO" if engine == "openvino" else "ONNX Runtime"
    content = _content(path)
    _check(path, content)
    try:
        return session_in(engine, content, torch.get_num_threads())
    except Exception as error:
        if "opset" in str(error) or "IR version" in str(error):
            raise WeightsError(
                f"{path} needs a newer ONNX version than this {program} knows: export it with opset {OPSET}, "
                f"or install a newer {program}."
            ) from error
        raise WeightsError(f"{program} cannot load {path}: {end_of_message(error)}.") from error


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise WeightsError(f"{path} is not a file: give the ONNX network itself.")
        if path.stat().st_size > _MOST_BYTES:
            raise WeightsError(f"{path} has 2 GB or more, which no ONNX network in one file has.")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}.") from error


def _check(path: Path, content: bytes) -> None:
    """Refuse what is no network, or keeps weights in other files: ONNX Runtime would read those."""
    import onnx

    if content.startswith(b"PK"):
        raise WeightsError(f"{path} is a zip archive: unpack it, and give the .onnx file in it.")
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:
        raise WeightsError(f"{path} is not an ONNX network, or is damaged.") from error
    if not model.graph.node:
        raise WeightsError(f"{path} is not an ONNX network, or is damaged.")
    if any(map(_is_external, _tensors(model))):
        raise WeightsError(
            f"{path} keeps weights in another file, which is not read: save it as one file "
            "(torch.onnx.export with external_data=False, or onnx.save without save_as_external_data)."
        )


def _tensors(message: Any) -> Iterator[Any]:
    """All tensors with values anywhere in a network: in graphs, graphs inside nodes, functions and their nodes."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if isinstance(value, Sequence) else (value,):
                yield from _tensors(part)


def _is_external(tensor: Any) -> bool:
    return tensor.data_location == _EXTERNAL or len(tensor.external_data) > 0


def metadata_of(path: Path) -> dict[str, str]:
    """What a file that ``open_session`` has opened says of itself."""
    import onnx

    return {each.key: each.value for each in onnx.load(path, load_external_data=False).metadata_props}


def end_of_message(error: Exception) -> str:
    """What an engine's message says, without the places in its source and its codes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    line = lines[-1] if lines[0].startswith("Exception from") else lines[0]
    return shortened(_CODES.sub("", line).rstrip(". "), 200)
