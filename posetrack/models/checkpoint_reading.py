"""Reads tensors from other people's checkpoints, PyTorch files and safetensors, without running any code in them.

A PyTorch file is a pickle, which could run any code. ``torch.load(weights_only=True)`` builds only tensors and
plain containers. Published checkpoints hold a few other objects: numpy numbers and arrays in their notes
(``meta``), MMEngine's curves (``message_hub``). Their names are allowed, but stand for empty objects that ignore
what they are given: no code of numpy or MMEngine is called. Anything else a file asks for is refused, unless the
program itself has allowed it for ``torch.load``.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import threading
import warnings
import zipfile
import zlib
from itertools import islice
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from posetrack.errors import WeightsError
from posetrack.records import shortened


class _Forgotten:
    """Stands in for an object that is not needed: takes anything, keeps nothing."""

    def __init__(self, *_: Any) -> None: ...

    def __new__(cls, *_: Any) -> _Forgotten:
        return super().__new__(cls)

    def __setstate__(self, _: Any) -> None: ...


def _forgotten(module: str, name: str) -> type[_Forgotten]:
    """The class that a pickle finds under this name."""
    return type(name, (_Forgotten,), {"__module__": module, "__qualname__": name})


ALLOWED = (
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("mmengine.logging.history_buffer", "HistoryBuffer"),
    ("builtins", "getattr"),
)
"""Module and name of the objects that are skipped, in addition to what ``weights_only`` itself builds.

A pickle uses ``getattr`` for the methods that MMEngine's curves refer to. Here it looks nothing up, and its result
cannot be called.
"""

_STAND_INS: list[Any] = [_forgotten(module, name) for module, name in ALLOWED]

_ALONE = threading.Lock()
"""One file at a time: the allowed names apply to the whole program until the file has been read."""

DAMAGES = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, LookupError, MemoryError, OSError,
    RuntimeError, TypeError, ValueError, pickle.UnpicklingError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
"""Errors from reading a damaged pickle: its instructions may apply any of the allowed builders to anything."""

_MOST_BYTES = 2**33
"""Maximum size of a file of weights. The largest published ones here have 0.6 GB, with training state a few times
as much."""

_MOST_RECORDS = 100_000
"""Maximum number of records in an archive: one per tensor, and a few more."""

_MOST_INSTRUCTIONS = 500_000
"""Maximum number of instructions in a file's pickles, which run at a few hundred thousand per second. A tensor
takes about 30: HRNet-W48 with its optimiser and a second set of weights has 200,000."""

_PICKLES = 5
"""Pickles in a file of the older format: a magic number, a version, the system, the content, the storages."""

_WRAPPERS = ("state_dict", "model")
"""Where a file's notes hold the weights: in MMEngine's and most others' files, in YOLOX's."""

_KNOWN_BEGINNINGS = (
    (b"<", "a web page, not a checkpoint: the link led to a page about the file; download the file itself"),
    (b"version https://git-lfs", "a Git LFS pointer, not a checkpoint: fetch the file itself with `git lfs pull`"),
)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint file, under its names and with its types, on the CPU.

    The file may be of any PyTorch version (a state dict, or a dict that holds one under ``state_dict`` or
    ``model``) or safetensors; its first bytes tell which.

    Raises:
        WeightsError: the file is missing, damaged or not a checkpoint, asks for code to be run or for more than
            weights need, or holds something other than tensors among its weights.
    """
    beginning = _beginning(path)
    if beginning.startswith(b"PK\x03\x04"):
        _check_archive(path)
        content = _load_pickle(path)
    elif beginning.startswith(b"\x80"):
        _check_instructions(path)
        content = _load_pickle(path)
    elif beginning[8:9] == b"{":
        content, _ = _load_safetensors(path)
    else:
        raise WeightsError(_not_a_checkpoint(path, beginning))
    return _tensors(content, path)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, and the metadata in its header.

    Raises:
        WeightsError: the file is missing, damaged or of another format.
    """
    beginning = _beginning(path)
    if beginning[8:9] != b"{":
        raise WeightsError(f"{path} is not a safetensors file: give one written by `posetrack train`.")
    return _load_safetensors(path)


def _beginning(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise WeightsError(f"{path} is not a file: give the checkpoint itself.")
        if path.stat().st_size > _MOST_BYTES:
            raise WeightsError(f"{path} is larger than any known checkpoint: give only the weights.")
        with path.open("rb") as file:
            return file.read(64)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"cannot read the checkpoint {path}: {reason}.") from error


def _not_a_checkpoint(path: Path, beginning: bytes) -> str:
    if not beginning:
        return f"{path} is empty: download the checkpoint again."
    for start, meaning in _KNOWN_BEGINNINGS:
        if beginning.lstrip().startswith(start):
            return f"{path} is {meaning}."
    return f"{path} is not a checkpoint: give a PyTorch file (.pth, .pt) or safetensors."


def _check_archive(path: Path) -> None:
    """Refuse an archive that is truncated, altered (PyTorch does not compare checksums) or compressed.

    PyTorch never compresses: a compressed archive was repacked at best, and made to fill the memory at worst.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > _MOST_RECORDS:
                raise WeightsError(_too_much(path))
            if sum(record.file_size for record in archive.infolist()) > path.stat().st_size:
                raise WeightsError(f"{path} is compressed, as PyTorch never does: give the original file.")
            names = {name.rpartition("/")[2] for name in archive.namelist()}
            changed = archive.testzip()
            for record in archive.infolist():
                if record.filename.lower().endswith(".pkl"):  # PyTorch does not mind the case
                    _count(io.BytesIO(archive.read(record)), path, 1)
    except (*DAMAGES, zlib.error) as error:
        raise WeightsError(_damaged(path)) from error
    if changed is not None:
        raise WeightsError(_damaged(path))
    if "constants.pkl" in names:
        raise WeightsError(f"{path} is a TorchScript program: give a checkpoint with only the weights.")
    if "data.pkl" not in names:
        raise WeightsError(f"{path} is an archive but no checkpoint: unpack it, and give the checkpoint in it.")


def _check_instructions(path: Path) -> None:
    try:
        with path.open("rb") as file:
            _count(file, path, _PICKLES)
    except DAMAGES as error:
        raise WeightsError(_damaged(path)) from error


def _count(stream: IO[bytes], path: Path, pickles: int) -> None:
    """Refuse pickles with more instructions than weights need: a few megabytes of them would run for minutes."""
    left = _MOST_INSTRUCTIONS
    for _ in range(pickles):
        try:
            left -= sum(1 for _ in islice(pickletools.genops(stream), left + 1))
        except ValueError:  # damaged here, or there are fewer pickles: PyTorch stops here too
            return
        if left < 0:
            raise WeightsError(_too_much(path))


def _too_much(path: Path) -> str:
    return f"{path} holds far more than weights: give a file with only the state_dict."


def _damaged(path: Path) -> str:
    return f"{path} is damaged or incomplete: download the checkpoint again."


def _load_pickle(path: Path) -> Any:
    try:
        with _ALONE, warnings.catch_warnings(), torch.serialization.safe_globals(_STAND_INS):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(_refused(path, str(error))) from error
    except DAMAGES as error:
        raise WeightsError(_damaged(path)) from error


def _refused(path: Path, reason: str) -> str:
    """Message that names what a pickle asked for, if that is not allowed."""
    for phrase in ("GLOBAL ", "unrecognized function "):
        if phrase in reason:
            wanted = reason.split(phrase, 1)[1].split("\n")[0].split(" was not an")[0].split(" whose module")[0]
            return (
                f"{path} is refused: it asks for `{shortened(wanted)}`, which weights do not need and "
                "which could run code; take a file with only the state_dict from a publisher you trust."
            )
    if "Unsupported operand" in reason:
        return f"{path} is a pickle, but not PyTorch weights: save the state_dict with `torch.save`."
    return _damaged(path)


def _load_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (OSError, SafetensorError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(_damaged(path)) from error


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict in a file's content: plain tensors only.

    Containers and tensors in a hostile file can have attributes that hide their methods, so the methods of their
    classes are called.
    """
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(dict.get(content, key), dict):
            content = dict.get(content, key)
    if not isinstance(content, dict) or not dict.__len__(content):
        raise WeightsError(f"{path} holds no weights: give a checkpoint with a state_dict.")
    tensors = {}
    for name, value in dict.items(content):
        plain = type(value) in (Tensor, nn.Parameter) and value.layout == torch.strided and not value.is_quantized
        if not isinstance(name, str) or not plain or value.device.type != "cpu":
            what = shortened(name) if isinstance(name, str) else f"an entry named by a {type(name).__name__}"
            raise WeightsError(
                f"{path} holds no state_dict: {what} is not a plain tensor; give a checkpoint with the weights "
                "under their layers' names."
            )
        tensors[name] = Tensor.detach(value)
    return tensors
