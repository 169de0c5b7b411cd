"""What a benchmark tracks, and with which settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from posetrack.changes import Changes, customised
from posetrack.errors import ConfigError
from posetrack.formats.annotations import Annotations
from posetrack.formats.writing import write_posetrack17, write_posetrack18
from posetrack.presets import PRESETS, Preset, Propagation, in_every_frame
from posetrack.ranges import require_kinds, require_one_of, require_whole
from posetrack.tracker.matching import MATCHINGS
from posetrack.tracker.similarity import SIMILARITIES


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How one of PoseTrack's releases is laid out.

    Attributes:
        truths: Folder of the ground truths, with a subfolder per split.
        identified_by: The JSON list that identifies its files.
        write: Writes predictions for them.
    """

    truths: str
    identified_by: str
    write: Callable[[Path, Sequence[Annotations]], None]


LAYOUTS = {
    "posetrack18": Layout(truths="annotations", identified_by="images", write=write_posetrack18),
    "posetrack17": Layout(truths="annotations", identified_by="annolist", write=write_posetrack17),
    "posetrack21": Layout(truths="posetrack_data", identified_by="images", write=write_posetrack18),
}
"""Layouts of trees, as their archives unpack. PoseTrack21 has PoseTrack18's format."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A row of the paper's ablation table.

    Attributes:
        propagation: Propagate boxes to the next frame (the paper's joint propagation).
        similarity: ``bbox``, ``pose``, ``flow`` or ``multi-flow``.
        matching: ``greedy`` or ``hungarian``.
        second_pass: Refine each sequence with the whole of it in view. Not part of the paper, whose figures are of
            tracks as they come frame by frame.
    """

    propagation: bool = True
    similarity: str = "multi-flow"
    matching: str = "greedy"
    second_pass: bool = False

    def __post_init__(self) -> None:
        require_kinds(self)
        require_one_of(SIMILARITIES, similarity=self.similarity)
        require_one_of(MATCHINGS, matching=self.matching)

    @property
    def name(self) -> str:
        """Name for folders, such as ``propagation_multi-flow_greedy``."""
        name = f"{'propagation' if self.propagation else 'detections'}_{self.similarity}_{self.matching}"
        return f"{name}_refined" if self.second_pass else name

    def of(self, preset: Preset) -> Preset:
        """Apply this setting to a preset. ``auto`` becomes every frame, so that rows differ in nothing else.

        Raises:
            ConfigError: the preset has no propagation to switch on.
        """
        if self.propagation and preset.pipeline.propagation is None:
            raise ConfigError(f"the preset {preset.name!r} does not propagate: leave propagation off.")
        propagation: Propagation = "paper" if self.propagation else "off"
        changes = Changes(propagation=propagation, similarity=self.similarity, matching=self.matching)
        return customised(in_every_frame(preset), changes)


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """What to track, and where predictions go.

    Attributes:
        layout: Layout of the tree, a key of ``LAYOUTS``.
        split: Subfolder of the ground truths' folder.
        sequences: Names of annotation files without ``.json``. Empty selects the whole split.
        limit: Maximum number of sequences, taken by name.
        output: Folder for predictions, with a subfolder per split and setting.
        overwrite: Track finished sequences again.
        preset: Networks and settings that all rows share.
        models_dir: Folder of downloaded weights. Defaults to the user's.
        min_person_score, min_track_seconds: Who is reported, as in ``ConfirmationConfig``. By default everybody,
            as in the paper.
        search_every_s: Seconds from one look for hidden people to the next (``SearchConfig``). By default they are
            not looked for, as in the paper.

    Raises:
        ConfigError: a setting is out of range.
    """

    layout: str = "posetrack18"
    split: str = "val"
    sequences: tuple[str, ...] = ()
    limit: int | None = None
    output: Path = Path("benchmark")
    overwrite: bool = False
    preset: Preset = field(default_factory=lambda: PRESETS["lite"])
    models_dir: Path | None = None
    min_person_score: float | None = None
    min_track_seconds: float | None = None
    search_every_s: float | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        require_one_of(LAYOUTS, layout=self.layout)
        if self.limit is not None:
            require_whole(1, limit=self.limit)
        self.preset_of(Setting(propagation=False))

    def preset_of(self, setting: Setting) -> Preset:
        """The preset of a row.

        Raises:
            ConfigError: as ``Setting.of``; or a number is out of its range.
        """
        beyond_the_paper = Changes(
            min_person_score=self.min_person_score,
            min_track_seconds=self.min_track_seconds,
            search_every_s=self.search_every_s,
        )
        return customised(setting.of(self.preset), beyond_the_paper)
