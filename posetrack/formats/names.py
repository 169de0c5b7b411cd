"""Names of people: those given in ``posetrack review``, and the numbers in those of other tools' tracks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from posetrack.errors import DataFormatError

LONGEST_NAME = 100
_NUMBERED = re.compile(r"\D*(\d{1,9})")


def is_name(text: str) -> bool:
    """Whether a text can be a person's name. It begins with a letter or digit: spreadsheets run ``=1+1``.

    >>> is_name("Zoë (left)"), is_name("=1+1"), is_name("")
    (True, False, False)
    """
    return len(text) <= LONGEST_NAME and text.isprintable() and text[:1].isalnum()


def names_by_id(path: Path, given: Iterable[tuple[int, object]]) -> dict[int, str]:
    """Track id -> name.

    Args:
        path: The file, for messages.
        given: Track ids, and the name that the file has in that place; None or an empty text for none.

    Raises:
        DataFormatError: a name is none, a person has two, or two people have the same.
    """
    names: dict[int, str] = {}
    for track_id, name in given:
        if name is None or name == "" or names.get(track_id) == name:
            continue
        if not isinstance(name, str) or not is_name(name):
            raise DataFormatError(
                f"{path}: {name!r} of person {track_id} is not a valid name: it needs at most {LONGEST_NAME} "
                "printable characters, the first of them a letter or digit; correct it."
            )
        if names.setdefault(track_id, name) != name:
            both = " and ".join(sorted((name, names[track_id])))
            raise DataFormatError(f"{path}: person {track_id} is named {both}; keep one of the names.")
    shared = next((name for name in names.values() if list(names.values()).count(name) > 1), None)
    if shared is not None:
        who = " and ".join(str(one) for one in sorted(names) if names[one] == shared)
        raise DataFormatError(f"{path}: {who} are all named {shared}; give them different names.")
    return dict(sorted(names.items()))


def numbers_in(names: Sequence[str]) -> list[int]:
    """The number in each name if all have different ones, else the names' order.

    >>> numbers_in(["person7", "track2"]), numbers_in(["mouse", "track2"])
    ([7, 2], [0, 1])
    """
    found = [_NUMBERED.fullmatch(name) for name in names]
    numbers = [int(match[1]) if match else -1 for match in found]
    return numbers if -1 not in numbers and len(set(numbers)) == len(numbers) else list(range(len(names)))
