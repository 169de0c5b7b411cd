"""What evaluators call the joints."""

from posetrack.formats.annotations import EVALUATION_JOINTS

JOINT_NAMES = tuple("neck" if joint == "head_bottom" else joint for joint in EVALUATION_JOINTS)
"""The joints as the official evaluator calls them, in its order."""
