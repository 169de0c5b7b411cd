"""Tensors out of checkpoints that others wrote: PyTorch's files and safetensors, without running what they hold.

A PyTorch file is a pickle, which could run any code. ``torch.load(weights_only=True)`` builds tensors and plain
containers alone. Published checkpoints hold a few objects besides: numpy's numbers and arrays in their notes
(``meta``), MMEngine's curves (``message_hub``). Their names are allowed, but each stands for an empty object that
forgets what it is given: no code of numpy or MMEngine is called. Whatever else a file asks for is refused, unless
the program itself has allowed it to ``torch.load``.
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
    """Stands for an object of no interest: takes anything, keeps nothing."""

    def __init__(self, *_: Any) -> None: ...

    def __new__(cls, *_: Any) -> _Forgotten:
        return super().__new__(cls)

    def __setstate__(self, _: Any) -> None: ...


def _forgotten(module: str, name: str) -> type[_Forgotten]:
    """A class that a pickle finds under a name."""
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
"""Module and name of the objects that are read past, beside what ``weights_only`` itself builds.

``getattr`` is how a pickle writes the methods that MMEngine's curves refer to. Here it looks nothing up, and what
it gives cannot be called.
"""

_STAND_INS: list[Any] = [_forgotten(module, name) for module, name in ALLOWED]

_ALONE = threading.Lock()
"""One file at a time: what is allowed holds for the whole program, and ends with the file."""

DAMAGES = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, LookupError, MemoryError, OSError,
    RuntimeError, TypeError, ValueError, pickle.UnpicklingError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
"""What reading a damaged pickle can raise: its instructions may apply any of the few builders to anything."""

_MOST_BYTES = 2**33
"""Of a file of weights. The largest published ones here have 0.6 GB, whole trainings a few times as much."""

_MOST_RECORDS = 100_000
"""Of an archive: one a tensor, and some more."""

_MOST_INSTRUCTIONS = 500_000
"""Of the pickles in a file, which are followed at a few hundred thousand a second. A tensor takes about 30:
HRNet-W48 with its optimiser and a second set of weights has 200,000."""

_PICKLES = 5
"""In a file of the form before the archives: a magic number, a version, the system, the content, the storages."""

_KNOWN_BEGINNINGS = (
    (b"<", "a web page, not a checkpoint: the link led to a page about the file; download the file itself"),
    (b"version https://git-lfs", "a Git LFS pointer, not a checkpoint: fetch the file itself with `git lfs pull`"),
)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint file under the names that it gives them, on the CPU, of the types that it has.

    The file may be PyTorch's of any version (a state dict, or a dict that holds one under ``state_dict``) or
    safetensors. Which it is is seen from its first bytes.

    Raises:
        WeightsError: the file is missing, damaged or no checkpoint, asks for code to be run or for more than
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
    """The tensors of a safetensors file, and the texts in its header.

    Raises:
        WeightsError: the file is missing, damaged or of another form.
    """
    beginning = _beginning(path)
    if beginning[8:9] != b"{":
        raise WeightsError(f"{path} is no safetensors file: give one that `posetrack train` wrote.")
    return _load_safetensors(path)


def _beginning(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise WeightsError(f"{path} is not a file: give the checkpoint itself.")
        if path.stat().st_size > _MOST_BYTES:
            raise WeightsError(f"{path} is larger than any checkpoint that is known here: give the weights alone.")
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
    return f"{path} is no checkpoint: give a PyTorch file (.pth, .pt) or safetensors."


def _check_archive(path: Path) -> None:
    """Refuse an archive that is cut off or changed (PyTorch compares no checksums), or that would unpack to more.

    PyTorch never compresses, so a compressed archive is at best packed anew, at worst made to fill the memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > _MOST_RECORDS:
                raise WeightsError(_too_much(path))
            if sum(record.file_size for record in archive.infolist()) > path.stat().st_size:
                raise WeightsError(f"{path} is compressed, as PyTorch's files never are: give the original file.")
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
        raise WeightsError(f"{path} is a TorchScript program: give the checkpoint with the weights alone.")
    if "data.pkl" not in names:
        raise WeightsError(f"{path} is an archive but no checkpoint: unpack it, and give the checkpoint in it.")


def _check_instructions(path: Path) -> None:
    try:
        with path.open("rb") as file:
            _count(file, path, _PICKLES)
    except DAMAGES as error:
        raise WeightsError(_damaged(path)) from error


def _count(stream: IO[bytes], path: Path, pickles: int) -> None:
    """Refuse pickles that are followed for longer than weights take: a few megabytes would keep us for minutes."""
    left = _MOST_INSTRUCTIONS
    for _ in range(pickles):
        try:
            left -= sum(1 for _ in islice(pickletools.genops(stream), left + 1))
        except ValueError:  # damaged there, or the last of fewer pickles: PyTorch reads no farther either
            return
        if left < 0:
            raise WeightsError(_too_much(path))


def _too_much(path: Path) -> str:
    return f"{path} holds far more than weights: give a file with the state_dict alone."


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
    """What a pickle wanted, if it wanted something that is not allowed."""
    for phrase in ("GLOBAL ", "unrecognized function "):
        if phrase in reason:
            wanted = reason.split(phrase, 1)[1].split("\n")[0].split(" was not an")[0].split(" whose module")[0]
            return (
                f"{path} is refused: it asks for `{shortened(wanted)}`, which weights do not need and "
                "which could run code; take a file from a publisher you trust that holds the state_dict alone."
            )
    if "Unsupported operand" in reason:
        return f"{path} is a pickle, but not as PyTorch saves weights: save the state_dict with `torch.save`."
    return _damaged(path)


def _load_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (OSError, SafetensorError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(_damaged(path)) from error


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict in a file's content, plain tensors only.

    Containers and tensors of a hostile file can carry attributes that hide their methods: those of their classes
    are called instead.
    """
    if isinstance(content, dict) and isinstance(dict.get(content, "state_dict"), dict):
        content = dict.get(content, "state_dict")
    if not isinstance(content, dict) or not dict.__len__(content):
        raise WeightsError(f"{path} holds no weights: give a checkpoint with a state_dict.")
    tensors = {}
    for name, value in dict.items(content):
        plain = type(value) in (Tensor, nn.Parameter) and value.layout == torch.strided and not value.is_quantized
        if not isinstance(name, str) or not plain or value.device.type != "cpu":
            what = shortened(name) if isinstance(name, str) else f"an entry named by a {type(name).__name__}"
            raise WeightsError(
                f"{path} holds no state_dict: {what} is no plain tensor; give a checkpoint with the weights under "
                "their layers' names."
            )
        tensors[name] = Tensor.detach(value)
    return tensors
