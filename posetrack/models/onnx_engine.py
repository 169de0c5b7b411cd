"""Networks in ONNX Runtime or OpenVINO: exported once, kept in a folder, compared with torch before each use."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import torch
import torchvision
from filelock import FileLock
from torch import Tensor, nn

from posetrack import __version__
from posetrack.errors import ConfigError, OutputError
from posetrack.files.pending import give_name, output_errors
from posetrack.forking import threads_at_work
from posetrack.models.engines import Engine
from posetrack.models.onnx_file import (
    OPSET,
    Interface,
    Runner,
    compare,
    require_packages,
    session_in,
    write_onnx,
)
from posetrack.models.outputs import with_tensors
from posetrack.models.private_folder import make_private, read_private

_EXPORTING = threading.Lock()
"""torch exports one network at a time."""

_DIGITS = 32
"""Hex digits of each hash in a file name."""


class OnnxNetwork(nn.Module):
    """A network in another engine, on the CPU in fp32: called like the network itself.

    It takes float32 [B, channels, height, width] on the CPU, including B = 0. It uses as many threads as torch has
    when this is made. Concurrent calls do not affect each other's results.

    Args:
        network: On the CPU, in evaluation mode.
        interface: Its input.
        folder: Folder of exported networks, made if missing. ``None`` exports for this process only.
        engine: ``onnxruntime`` or ``openvino``.

    Raises:
        ConfigError: packages are missing, or the engine's output is not the network's.
        OutputError: the folder cannot be written to.
    """

    def __init__(
        self, network: nn.Module, interface: Interface, folder: Path | None, engine: Engine = "onnxruntime"
    ) -> None:
        super().__init__()
        with torch.inference_mode():
            output = network(next(interface.examples()))
        self._form = with_tensors(output, lambda tensor: tensor.new_empty(0))
        self._thread_count = torch.get_num_threads()
        if folder is None:
            with tempfile.TemporaryDirectory(prefix="posetrack-") as made:
                self._session = session_of(network, interface, Path(made), engine)
        else:
            self._session = session_of(network, interface, folder, engine)

    def forward(self, images: Tensor) -> Any:
        threads_at_work(self._thread_count)
        outputs = iter(self._session(images))
        return with_tensors(self._form, lambda _: next(outputs))


def session_of(network: nn.Module, interface: Interface, folder: Path, engine: Engine) -> Runner:
    """The network in an engine, from the folder if it is there; only the user may write to the folder.

    The file is called ``NAME-KEY-CONTENT.onnx``: a hash of everything the export depends on, and a hash of the
    file. So a damaged file, or another network's, is detected before it is read. What is found is still compared
    with the network, and exported again if it fails. Processes that need the same file at once wait for the first.

    Raises:
        ConfigError: packages are missing, or the engine's output differs from the network's.
        OutputError: the folder cannot be written to, or belongs to another user.
    """
    make_private(folder)
    stem = f"{interface.name}-{_key(network, interface)}"
    session = _kept(network, interface, folder, stem, engine)
    if session is None:
        with _locked(folder, stem):
            kept = _kept(network, interface, folder, stem, engine)
            session = kept or _exported(network, interface, folder, stem, engine)
    return session


def _key(network: nn.Module, interface: Interface) -> str:
    """SHA-256 of everything an export depends on."""
    versions = [__version__, torch.__version__, torchvision.__version__, OPSET]
    digest = hashlib.sha256(json.dumps([versions, asdict(interface), str(network)]).encode())
    for name, tensor in chain(network.named_parameters(), network.named_buffers()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:_DIGITS]


def _kept(network: nn.Module, interface: Interface, folder: Path, stem: str, engine: Engine) -> Runner | None:
    """The network from the folder; None if it is missing or damaged."""
    for path in sorted(folder.glob(f"{stem}-*.onnx")):
        with suppress(OSError, ConfigError):
            content = read_private(path)
            if path.name == _name(stem, content):
                session = _session(content, engine)
                compare(network, session, interface)
                return session
    return None


def _exported(network: nn.Module, interface: Interface, folder: Path, stem: str, engine: Engine) -> Runner:
    """The network, exported again; other files of its name are removed."""
    require_packages(engine)
    with output_errors(folder):
        for left in folder.glob(f".{stem}-*"):  # left by a process that was killed: the lock excludes others
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=f".{stem}-", dir=folder) as made:
            draft = Path(made) / "network.onnx"
            with _EXPORTING:
                write_onnx(network, interface, draft)
            content = draft.read_bytes()
            session = _session(content, engine)
            compare(network, session, interface)
            for wrong in folder.glob(f"{stem}-*.onnx"):
                wrong.unlink()
            draft.chmod(0o600)
            give_name(draft, folder / _name(stem, content))
    return session


def _name(stem: str, content: bytes) -> str:
    return f"{stem}-{hashlib.sha256(content).hexdigest()[:_DIGITS]}.onnx"


def _session(content: bytes, engine: Engine) -> Runner:
    threads_at_work(torch.get_num_threads())  # a session starts its threads
    try:
        return session_in(engine, content, torch.get_num_threads())
    except Exception as error:
        raise ConfigError(f"engine {engine} cannot load an exported network: {error}") from error


@contextmanager
def _locked(folder: Path, stem: str) -> Iterator[None]:
    """Lock out other processes and threads that export this network. Makes the folder."""
    locks = folder / ".locks"
    with output_errors(folder):
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / f"{stem}.lock")
        try:
            lock.acquire()
        except NotImplementedError as error:
            raise OutputError(
                f"The file system of {folder} knows no locks: choose another folder with --models-dir."
            ) from error
    try:
        yield
    finally:
        lock.release()
