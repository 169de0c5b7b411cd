"""CSV and Parquet files under a draft's name until they are complete."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from posetrack.files.pending import PendingFile, output_errors
from posetrack.formats.annotations import Annotations


class TableFile:
    """A CSV or Parquet table that has its name once it is closed.

    Args:
        path: The file.
        form: Which of the two.
        texts: Names of the clip and of people, which CSV may have to quote.
        found: Whether to write how joints were found.

    Raises:
        OutputError: from every method, if the file cannot be written.
    """

    def __init__(self, path: Path, form: Literal["csv", "parquet"], texts: Iterable[str], *, found: bool) -> None:
        # importing pyarrow takes a third of a second, which only users of tables should pay
        from posetrack.formats import arrow_tables as arrow

        self._file = PendingFile(path)
        stream, schema = self._file.stream, arrow.WITH_FOUND if found else arrow.COLUMNS
        writer = arrow.csv_writer(stream, texts, schema) if form == "csv" else arrow.parquet_writer(stream, schema)
        self._table = arrow.ArrowTable(writer, schema)

    def append(self, video: Annotations, numbers: Sequence[int]) -> None:
        """Add the rows of some frames, whose numbers from 0 are ``numbers``.

        Raises:
            DataFormatError: a coordinate is too large for 32 bits.
        """
        with output_errors(self._file.path):
            self._table.append(video, numbers)

    def close(self) -> None:
        """Write the rest. The file takes its name."""
        with output_errors(self._file.path):
            self._table.flush()
            self._table.close()
        self._file.commit()

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(OSError):
            # pyarrow always finishes its file, at the latest when the writer is garbage-collected
            self._file.clear()
            self._table.close()
        self._file.discard()
