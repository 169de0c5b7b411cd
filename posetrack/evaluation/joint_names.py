"""What evaluators call the joints."""

from posetrack.formats.annotations import EVALUATION_JOINTS
from posetrack.skeletons import POSETRACK

JOINT_NAMES = tuple("neck" if joint == "head_bottom" else joint for joint in EVALUATION_JOINTS)
"""The joints as the official evaluator calls them, in its order."""

HOTA_JOINTS = tuple(joint for joint in POSETRACK.joints if joint not in POSETRACK.unused)
"""The joints as the PoseTrack21 kit calls and orders them."""
