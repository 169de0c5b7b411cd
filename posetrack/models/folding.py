"""Batch norm folded into the convolution before it: same output, less computation."""

from __future__ import annotations

import copy
import inspect
from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, fx, nn
from torchvision.ops import FrozenBatchNorm2d

Network = TypeVar("Network", bound=nn.Module)

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
_NORMS = (nn.BatchNorm2d, FrozenBatchNorm2d)


def folded(network: Network) -> Network:
    """A copy for evaluation, with batch norms folded into the convolutions before them.

    The data flow (``torch.fx``) tells which norm follows which convolution, rather than names or the order of
    definition. A pair is folded only if each is used once, and the convolution's output only by the norm. If the
    network cannot be traced, its parts are tried.

    Outputs agree to rounding. The copy cannot be trained further or take the original's weights.
    """
    # Tracing runs the network's own code with a stand-in for its input, which it may store: use a throw-away copy.
    pairs = list(_pairs(copy.deepcopy(network).eval()))
    network = copy.deepcopy(network).eval()
    modules = dict(network.named_modules(remove_duplicate=False))
    seen = Counter(id(module) for module in modules.values())
    for convolution, norm in pairs:
        if seen[id(modules[convolution])] == seen[id(modules[norm])] == 1 and _foldable(
            modules[convolution], modules[norm]
        ):
            _fold(modules[convolution], modules[norm])
            _replace(network, norm, nn.Identity())
    return network


class _Tracer(fx.Tracer):
    """Traces into everything except convolutions, norms and torch's own layers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (*_CONVOLUTIONS, *_NORMS)) or super().is_leaf_module(m, module_qualified_name)


def _pairs(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names of convolutions and the norms that take their output, in all parts that can be traced."""
    if not any(isinstance(part, _NORMS) for part in module.modules()):
        return
    graph = _graph(module)
    if graph is not None:
        yield from ((prefix + convolution, prefix + norm) for convolution, norm in _pairs_in(graph, module))
        return
    for name, child in module.named_children():
        yield from _pairs(child, f"{prefix}{name}.")


def _graph(module: nn.Module) -> fx.Graph | None:
    """The data flow of a module; None if it cannot be traced."""
    if isinstance(module, _NORMS) or not _takes_required_inputs_alone(module):
        return None
    try:
        return _Tracer().trace(module)
    except Exception:  # noqa: BLE001 (a network's code may do anything with a stand-in; its parts are tried then)
        return None


def _takes_required_inputs_alone(module: nn.Module) -> bool:
    """Optional inputs may change the data flow: a trace would show one of several."""
    inputs = inspect.signature(module.forward).parameters.values()
    return all(each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD for each in inputs)


def _pairs_in(graph: fx.Graph, module: nn.Module) -> Iterator[tuple[str, str]]:
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    read = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    for node in graph.nodes:
        before = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) != 1:
            continue
        names = str(before.target), str(node.target)
        once = all(calls[name] == 1 and name not in read for name in names)
        if once and isinstance(module.get_submodule(names[1]), _NORMS):
            yield names


def _foldable(convolution: nn.Module, norm: nn.Module) -> bool:
    """Plain layers only: no hooks, no parametrised weights, fixed statistics."""
    if type(convolution) not in _CONVOLUTIONS or type(norm) not in _NORMS:
        return False
    if isinstance(convolution, nn.ConvTranspose2d) and convolution.groups > 1:
        return False
    hooks = (module._forward_hooks or module._forward_pre_hooks for module in (convolution, norm))
    return norm.running_mean is not None and not any(hooks)


def _fold(convolution: nn.Module, norm: nn.Module) -> None:
    """Include the norm in the convolution. Calculated in double precision, then rounded."""
    weight, bias = convolution.weight, convolution.bias
    assert isinstance(weight, Tensor) and isinstance(norm, _NORMS)
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    scale = torch.rsqrt(_exact(variance) + norm.eps)
    if norm.weight is not None:
        scale = scale * _exact(norm.weight)
    shift = -_exact(mean) * scale
    if norm.bias is not None:
        shift = shift + _exact(norm.bias)
    if bias is not None:
        assert isinstance(bias, Tensor)
        shift = shift + _exact(bias) * scale
    by_output = scale.reshape((1, -1, 1, 1) if isinstance(convolution, nn.ConvTranspose2d) else (-1, 1, 1, 1))
    convolution.weight = nn.Parameter((_exact(weight) * by_output).to(weight), requires_grad=False)
    convolution.bias = nn.Parameter(shift.to(weight), requires_grad=False)


def _exact(tensor: Tensor) -> Tensor:
    """In double precision on the CPU, because not every device has it."""
    return tensor.detach().cpu().double()


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, module)
