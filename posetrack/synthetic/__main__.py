"""``python -m posetrack.synthetic FOLDER --images N --seed S``: render a training set."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from posetrack.errors import PoseTrackError
from posetrack.synthetic.training_set import write_training_set


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments (by default those of the process) and write the training set."""
    parser = argparse.ArgumentParser(prog="python -m posetrack.synthetic", description="Render training images.")
    parser.add_argument("folder", type=Path, help="output folder, for images/ and annotations.json")
    parser.add_argument("--images", type=int, default=100, help="number of images (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default 0)")
    options = parser.parse_args(arguments)
    try:
        write_training_set(options.folder, options.images, seed=options.seed)
    except PoseTrackError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
