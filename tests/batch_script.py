"""Tracks a folder of footage in two processes, without networks. ``test_batch_kills`` kills it."""

import sys

from posetrack.batch.coordinator import run_batch
from posetrack.runner import Outputs
from tests.batch_cases import config

FORMATS = ("posetrack18", "csv")

if __name__ == "__main__":
    run_batch(sys.argv[1], sys.argv[2], config(workers=2, outputs=Outputs(formats=FORMATS)))
