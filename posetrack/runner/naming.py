"""Names of the files of a run: only complete runs replace earlier results, other files go beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import chain, count
from pathlib import Path

from posetrack.files.pending import publish
from posetrack.runner.summary import RunSummary
from posetrack.video.outputs import TRACKS, Outputs


class Names:
    """Gives the files of one run their names, all of them with the same stem.

    Args:
        outputs: What is written.
        folder: Where to.
        name: The stem if it is free.
        summary: How the run ended; the files and their names are added to it.

    Attributes:
        given: The stem, as soon as files have it.
    """

    def __init__(self, outputs: Outputs, folder: Path, name: str, summary: RunSummary) -> None:
        self._outputs, self._folder, self._name, self._summary = outputs, folder, name, summary
        whole = not summary.interrupted and summary.incomplete is None
        word = "interrupted" if summary.interrupted else "new" if whole else "incomplete"
        numbered = (f"{name}_{word}{number if number > 1 else ''}" for number in count(1))
        self._names: Iterator[str] = chain([name], numbered)
        self._replace = whole and outputs.overwrite
        self.given = ""
        self._files: dict[str, Path] = {}

    def give(self, drafts: Mapping[str, Path], *, last: bool = True) -> None:
        """Give complete files their names.

        Args:
            drafts: Kind of output -> its file.
            last: The run has no further files; otherwise the others get the same stem later.
        """
        if self.given and self._publish(drafts, self.given):
            return
        for given in self._names:
            if (last or self._is_free(given)) and self._publish(drafts, given):
                return

    def _publish(self, drafts: Mapping[str, Path], given: str) -> bool:
        files = self._outputs.paths(self._folder, given)
        if not publish({draft: files[kind] for kind, draft in drafts.items()}, replace=self._replace):
            return False
        self.given = given
        self._files |= {kind: files[kind] for kind in drafts}
        self._summary.files = [self._files[kind] for kind in files if kind in self._files]
        self._summary.observations = self._files.get(TRACKS)
        self._summary.beside = given != self._name
        return True

    def _is_free(self, given: str) -> bool:
        paths = self._outputs.paths(self._folder, given).values()
        return self._replace or not any(map(os.path.lexists, paths))
