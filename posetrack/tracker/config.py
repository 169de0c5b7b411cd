"""Settings of the tracking stages. Ranges are checked when a configuration is made, not while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from posetrack.errors import ConfigError
from posetrack.ranges import require_above, require_at_least, require_fraction, require_kinds, require_whole

TIME_PRECISION_S = 1e-3
"""Precision of frame times in seconds: an interval is over if no more than this is left of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PropagationConfig:
    """How people are carried from one frame to the next (see ``propagation.propagate``).

    Attributes:
        min_joint_score: Joints at or above it are confident: only they determine the carried box.
        min_joints: A person with fewer confident joints inside the frame is not carried.
        expansion: The carried box is this much larger than its joints in total (half on each side).
        box_inertia: Weight of the previous frame's box, moved with the body, in the carried box; the rest is the
            box around the joints. 0 uses that alone, as in the paper.
        min_score: A carried box is dropped when its score falls below this.
        seen_joint_score, unseen_joint_score: Mean score of a person's confident joints at which the
            person counts as clearly seen, and as not seen at all.
        seen_half_life_s, unseen_half_life_s: Half-life in seconds of the box score of a person clearly seen, and
            of one not seen, while the detector does not confirm it.
    """

    min_joint_score: float = 0.2
    min_joints: int = 3
    expansion: float = 0.15
    box_inertia: float = 0.0
    min_score: float = 0.2
    seen_joint_score: float = 0.5
    unseen_joint_score: float = 0.2
    seen_half_life_s: float = 0.8
    unseen_half_life_s: float = 0.06

    def __post_init__(self) -> None:
        require_kinds(self)
        require_fraction(
            min_joint_score=self.min_joint_score,
            box_inertia=self.box_inertia,
            min_score=self.min_score,
            seen_joint_score=self.seen_joint_score,
            unseen_joint_score=self.unseen_joint_score,
        )
        require_at_least(
            0,
            expansion=self.expansion,
            seen_half_life_s=self.seen_half_life_s,
            unseen_half_life_s=self.unseen_half_life_s,
        )
        require_whole(1, min_joints=self.min_joints)
        if not self.unseen_joint_score < self.seen_joint_score:
            raise ConfigError(
                f"unseen_joint_score must be below seen_joint_score, not {self.unseen_joint_score} "
                f"against {self.seen_joint_score}"
            )
        if not 0 < self.unseen_half_life_s <= self.seen_half_life_s:
            raise ConfigError(
                "unseen_half_life_s must be above 0 and at most seen_half_life_s, not "
                f"{self.unseen_half_life_s} against {self.seen_half_life_s}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class MergeConfig:
    """How detected and carried boxes become one set (see ``merge.merge``).

    Attributes:
        min_iou: A detected and a carried box that overlap by at least this much are the same person.
        duplicate_iou: Boxes of any origin that overlap by more than this are the same person.
        detections_first: Of a detected and a carried box of one person the detected one survives; otherwise the
            one with the higher score, as in the paper.
    """

    min_iou: float = 0.5
    duplicate_iou: float = 0.8
    detections_first: bool = False

    def __post_init__(self) -> None:
        require_kinds(self)
        require_fraction(min_iou=self.min_iou, duplicate_iou=self.duplicate_iou)


@dataclass(frozen=True, kw_only=True, slots=True)
class EvidenceConfig:
    """Which carried people to keep when the detector has not found them again (see ``evidence``).

    Attributes:
        min_iou: A detected box confirms a carried one that it overlaps by this much.
        min_pose_score: Mean joint score from which the pose network confirms a person without a detection.
        max_covered: Where this share of the carried box or more lies in a detected one, the network would see the
            other person.
        max_missed_s: Seconds since a person's last detection in which the pose network alone can confirm them.
        min_faint_score: Detections from this score on that overlap a carried person confirm them, ...
        min_faint_pose_score: ... if the mean joint score in the detected box is at least this.
    """

    min_iou: float = 0.5
    min_pose_score: float = 0.5
    max_covered: float = 0.5
    max_missed_s: float = 0.5
    min_faint_score: float = 0.1
    min_faint_pose_score: float = 0.25

    def __post_init__(self) -> None:
        require_kinds(self)
        require_fraction(
            min_iou=self.min_iou,
            min_pose_score=self.min_pose_score,
            max_covered=self.max_covered,
            min_faint_score=self.min_faint_score,
            min_faint_pose_score=self.min_faint_pose_score,
        )
        require_at_least(0, max_missed_s=self.max_missed_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfirmationConfig:
    """Which tracks are reported (see ``confirmation``).

    Attributes:
        min_person_score: Tracks are reported while the mean over time of their joint scores, as they are reported,
            is at least this (0 for missing joints), ...
        birth_margin: ... more by this for a track that has just begun; ...
        birth_s: ... the margin falls to 1 / e in this time.
        staying: Reported tracks are reported until the mean falls below this share of ``min_person_score``.
        memory_s: Time constant of the mean.
        min_track_seconds: Tracks are not reported before they have lasted this long.
    """

    min_person_score: float = 0.35
    birth_margin: float = 0.1
    birth_s: float = 0.25
    staying: float = 0.6
    memory_s: float = 2.0
    min_track_seconds: float = 0.0

    def __post_init__(self) -> None:
        require_kinds(self)
        require_fraction(
            min_person_score=self.min_person_score, birth_margin=self.birth_margin, staying=self.staying
        )
        require_above(0, birth_s=self.birth_s, memory_s=self.memory_s)
        require_at_least(0, min_track_seconds=self.min_track_seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshConfig:
    """Which carried people get new joints from the pose network (see ``refresh``).

    Attributes:
        every: Frames from one estimate of a carried person's joints to the next; in between the flow carries
            them. 1 estimates all people in every frame, as the paper does.
        every_s: The same in seconds; replaces ``every``.
        max_motion: Joints that moved against the body by more than this since the last estimate, on average and
            over the body's size, are estimated earlier.
        min_joint_score: Joints below it do not count for that.
        max_overlap: People whose box overlaps another carried one by more than this (IoU) are estimated earlier
            too: the flow cannot tell their limbs apart.
    """

    every: int = 1
    every_s: float | None = None
    max_motion: float = 0.0055
    min_joint_score: float = 0.3
    max_overlap: float = 0.3

    def __post_init__(self) -> None:
        require_kinds(self)
        require_whole(1, every=self.every)
        if self.every_s is not None:
            require_above(0, every_s=self.every_s)
        require_at_least(0, max_motion=self.max_motion)
        require_fraction(min_joint_score=self.min_joint_score, max_overlap=self.max_overlap)


@dataclass(frozen=True, kw_only=True, slots=True)
class MotionConfig:
    """The motion model of tracks (see ``motion``). A person's size is the root of their box's area.

    Attributes:
        place_noise: Standard deviation, in sizes, of an observed body's position: a few per cent of its height.
        acceleration: Standard deviation of the change of velocity in a second, in sizes per second. People reach
            their walking speed (1.3 sizes a second) or turn within about two seconds. With ``place_noise`` it
            makes velocities the mean over about a fifth of a second.
        first_speed: Standard deviation of an unknown velocity: brisk walking.
    """

    place_noise: float = 0.03
    acceleration: float = 0.8
    first_speed: float = 1.5

    def __post_init__(self) -> None:
        require_kinds(self)
        require_above(
            0, place_noise=self.place_noise, acceleration=self.acceleration, first_speed=self.first_speed
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkerConfig:
    """How poses get their track ids (see ``linker.FlowLinker``).

    Lengths of time are in seconds, so the defaults suit every frame rate. Two of them may be given in frames
    instead, as papers do.

    Attributes:
        similarity: ``bbox``, ``pose``, ``flow`` or ``multi-flow`` (see ``similarity``).
        matching: ``greedy`` or ``hungarian`` (see ``matching``).
        queue_s: How far back stored poses are compared (``multi-flow``).
        queue_frames: The same in frames, the paper's L_Q; replaces ``queue_s``.
        min_similarity: A pose less similar than this to a track does not continue it.
        min_joint_score: Joints below it are not compared.
        min_birth_score: Poses whose score is below it continue tracks but start none.
        min_birth_joints: Poses with fewer joints continue tracks but start none.
        max_gap_s: A track unseen for longer ends (``multi-flow``; with the other similarities, which compare only
            with the previous frame, it ends at once).
        max_gap_frames: The same in frames; replaces ``max_gap_s``.
        coasting: Besides the stored poses, expect people where their own motion takes them, so that hidden people
            are found again (``multi-flow``).
        motion: The motion model.
        recovery_falloff: The k of OKS, for all joints, for matching a lost track: limbs have moved unseen.
            The position's uncertainty adds to it.
        max_recovery_falloff: Upper limit of that sum, because people farther away are others.
        min_recovery_joints: Minimum number of visible joints to recover a hidden person. A pose with fewer
            that might be a lost person is left ``UNLINKED`` and starts no track.
        sides: Correct left and right over time (see ``sides``).
        look_memory_s: Time constant of a track's mean appearance (see ``looks``).
        look_weight: If several tracks match a person, or several people a track, this share of a similarity is
            multiplied by the similarity of appearance. Otherwise motion is clear, and appearance is not used.
    """

    similarity: str = "multi-flow"
    matching: str = "greedy"
    queue_s: float = 0.4
    queue_frames: int | None = None
    min_similarity: float = 0.2
    min_joint_score: float = 0.2
    min_birth_score: float = 0.4
    min_birth_joints: int = 3
    max_gap_s: float = 2.4
    max_gap_frames: int | None = None
    coasting: bool = True
    motion: MotionConfig = MotionConfig()
    recovery_falloff: float = 0.3
    max_recovery_falloff: float = 0.75
    min_recovery_joints: int = 5
    sides: bool = True
    look_memory_s: float = 1.0
    look_weight: float = 0.8

    def __post_init__(self) -> None:
        require_kinds(self)
        require_fraction(
            min_similarity=self.min_similarity,
            min_joint_score=self.min_joint_score,
            min_birth_score=self.min_birth_score,
            look_weight=self.look_weight,
        )
        require_whole(0, min_birth_joints=self.min_birth_joints, min_recovery_joints=self.min_recovery_joints)
        if self.max_gap_frames is not None:
            require_whole(0, max_gap_frames=self.max_gap_frames)
        if self.queue_frames is not None:
            require_whole(1, queue_frames=self.queue_frames)
        require_above(0, queue_s=self.queue_s, look_memory_s=self.look_memory_s)
        require_at_least(
            0,
            max_gap_s=self.max_gap_s,
            recovery_falloff=self.recovery_falloff,
            max_recovery_falloff=self.max_recovery_falloff,
        )
        if not 0 < self.recovery_falloff <= self.max_recovery_falloff:
            raise ConfigError(
                "recovery_falloff must be above 0 and at most max_recovery_falloff, not "
                f"{self.recovery_falloff} against {self.max_recovery_falloff}"
            )
