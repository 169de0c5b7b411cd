"""ZIP archives whose bytes depend on their content alone."""

from __future__ import annotations

import zipfile

_EARLIEST = (1980, 1, 1, 0, 0, 0)


def add_file(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a file, dated to the earliest time that ZIP knows: archives of the same files are the same."""
    archive.writestr(zipfile.ZipInfo(name, _EARLIEST), content, zipfile.ZIP_DEFLATED)
