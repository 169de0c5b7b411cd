"""Names of the joints in evaluations."""

from posetrack.formats.annotations import EVALUATION_JOINTS

JOINT_NAMES = tuple("neck" if joint == "head_bottom" else joint for joint in EVALUATION_JOINTS)
"""The official evaluator's names of the joints, in its order."""
