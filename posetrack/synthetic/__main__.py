"""``python -m posetrack.synthetic FOLDER --images N --seed S``: write a rendered training set."""

from __future__ import annotations

import argparse
from pathlib import Path

from posetrack.synthetic.training_set import write_training_set


def main() -> None:
    """Parse the arguments and write the set."""
    parser = argparse.ArgumentParser(prog="python -m posetrack.synthetic", description="Render training images.")
    parser.add_argument("folder", type=Path, help="where images/ and annotations.json go")
    parser.add_argument("--images", type=int, default=100, help="number of images (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other images (default 0)")
    arguments = parser.parse_args()
    write_training_set(arguments.folder, arguments.images, seed=arguments.seed)


if __name__ == "__main__":
    main()
