"""Where the file of an entry comes from."""

from __future__ import annotations

import os
from urllib.parse import quote, urlsplit

from posetrack.errors import ConfigError
from posetrack.zoo.entries import Entry

MIRROR_VARIABLE = "POSETRACK_MIRROR"
"""Environment variable: address of a mirror that has all files by name, used instead of the table's sources."""


def sources_of(entry: Entry) -> tuple[str, ...]:
    """The addresses to ask for an entry's file, in order: the table's, or the user's mirror alone.

    Raises:
        ConfigError: ``POSETRACK_MIRROR`` is not an http or https address.
    """
    mirror = os.environ.get(MIRROR_VARIABLE)
    if not mirror or not entry.sources:
        return entry.sources
    try:
        parts = urlsplit(mirror)
    except ValueError as error:
        raise ConfigError(f"{MIRROR_VARIABLE} is {mirror!r}, which is not an address: {error}.") from error
    if parts.username or parts.password:
        raise ConfigError(f"{MIRROR_VARIABLE} has a user name or password in it, which are not supported.")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"{MIRROR_VARIABLE} is {mirror!r}; give an address like https://host/folder.")
    return (f"{mirror.rstrip('/')}/{quote(entry.file)}",)
