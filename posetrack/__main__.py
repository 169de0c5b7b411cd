"""``python -m posetrack``: the same as the ``posetrack`` command."""

from posetrack.cli.main import main

main()
