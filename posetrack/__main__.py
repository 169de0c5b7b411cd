"""``python -m posetrack``: the same as the ``posetrack`` command."""

from posetrack.cli.start import main

if __name__ == "__main__":
    main()
