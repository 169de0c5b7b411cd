"""Lets commands share options: dataclasses whose fields are Typer options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any, get_type_hints


def takes(**shared: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Append the options of dataclasses to a command's own.

    Args:
        shared: Parameter of the command -> the dataclass that it receives. Its fields are Typer options.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters.values()
        parameters = {name: _parameters(kind) for name, kind in shared.items()}

        @wraps(command)
        def wrapper(**values: Any) -> None:
            made = {
                name: kind(**{one.name: values.pop(one.name) for one in parameters[name]})
                for name, kind in shared.items()
            }
            command(**values, **made)

        every = [parameter for parameter in own if parameter.name not in shared]
        every += [one for added in parameters.values() for one in added]
        wrapper.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in every}
        return wrapper

    return decorate


def _parameters(kind: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(kind)
    ]


def changed(options: Any, defaults: Any) -> dict[str, Any]:
    """The fields of options that differ from their defaults."""
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    return {name: value for name, value in values.items() if value not in (getattr(defaults, name), [])}
