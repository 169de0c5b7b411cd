"""``python -m posetrack.synthetic FOLDER --images N --seed S``: write a rendered training set."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from posetrack.errors import PoseTrackError
from posetrack.synthetic.training_set import write_training_set


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments (those of the process if None) and write the set."""
    parser = argparse.ArgumentParser(prog="python -m posetrack.synthetic", description="Render training images.")
    parser.add_argument("folder", type=Path, help="where images/ and annotations.json go")
    parser.add_argument("--images", type=int, default=100, help="number of images (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other images (default 0)")
    options = parser.parse_args(arguments)
    try:
        write_training_set(options.folder, options.images, seed=options.seed)
    except PoseTrackError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
