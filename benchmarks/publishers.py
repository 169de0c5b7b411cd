"""Our networks against the publishers' own code, random weights: prints the table in docs/networks_compared.md.

Each network is built by its publisher's package, filled with random weights and saved as the publisher saves it.
We load that file and compare the outputs for one random image, in single and double precision; of detectors also
the boxes that are left after suppression, pair by pair. docs/networks_compared.md says what to install.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.ops import nms

from posetrack.models.dense_networks import DenseDetector
from posetrack.models.pose_format import PoseFormat
from posetrack.models.published_detectors import read_published_detector
from posetrack.models.published_pose import read_published_pose
from posetrack.skeletons import COCO

POSE = PoseFormat(skeleton=COCO, width=192, height=256)
SIDE, CLASSES = 192, 3
THRESHOLD, OVERLAP = 0.1, 0.65
INSTALL = {
    "mmpose": "pip install --no-deps mmpose==1.3.2 mmdet==3.3.0 mmcv-lite==2.1.0 mmengine==0.10.7 xtcocotools; "
    "pip install addict termcolor yapf json_tricks munkres terminaltables",
    "transformers": "pip install transformers",
}
INSTALL["mmdet"] = INSTALL["mmpose"]
RTMPOSES = {"rtmpose_t": "rtmpose-t_8xb256-420e", "rtmpose_m": "rtmpose-m_8xb256-420e"}
DETECTORS = {
    "rtmdet_tiny": "rtmdet/rtmdet_tiny_8xb32-300e_coco.py",
    "rtmdet_m": "rtmdet/rtmdet_m_8xb32-300e_coco.py",
    "yolox_tiny": "yolox/yolox_tiny_8xb8-300e_coco.py",
    "yolox_s": "yolox/yolox_s_8xb8-300e_coco.py",
}
VITPOSES: dict[str, dict[str, int]] = {
    "vitpose_base": {},
    "vitpose_plus_small": {"hidden_size": 384, "num_experts": 6, "part_features": 96},
}


class CompiledOperators(MetaPathFinder, Loader):
    """Stands in for ``mmcv.ops``, which mmcv-lite lacks: suppression by torchvision, and unused layers."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        inside = name == "mmcv.ops" or name.startswith("mmcv.ops.")
        return ModuleSpec(name, self, is_package=True) if inside else None

    def exec_module(self, module: ModuleType) -> None:
        def missing(name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (nn.Module,), {})

        vars(module).update(__getattr__=missing, batched_nms=by_class)


def by_class(
    boxes: Tensor, scores: Tensor, kinds: Tensor, settings: dict[str, Any], *_: object
) -> tuple[Any, Any]:
    """Suppression within each class: boxes with scores, and the indices kept, best first."""
    kept = [where[nms(boxes[where], scores[where], settings["iou_threshold"])]
            for kind in kinds.unique() for where in (kinds == kind).nonzero()[:, :1].T]  # fmt: skip
    order = torch.cat(kept) if kept else kinds[:0]
    order = order[scores[order].argsort(descending=True)]
    return torch.cat([boxes[order], scores[order, None]], 1), order


def drawn(network: nn.Module) -> nn.Module:
    """The network with norms and biases that are not their neutral starting values."""
    torch.manual_seed(1)
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.copy_(1 + 0.3 * torch.rand_like(value))
        elif name.endswith(("running_mean", "bias")):
            value.copy_(0.1 * torch.randn_like(value) + 1.5 * ("rtm_reg" in name))
        elif "rtm_cls" in name or "conv_cls" in name:
            value.copy_(0.3 * torch.randn_like(value))
    return network.eval()


def differences(theirs: Callable[[], list[Tensor]], ours: Callable[[], list[Tensor]]) -> tuple[float, float]:
    """The largest difference, and the publisher's largest value."""
    pairs = list(zip(theirs(), ours(), strict=True))
    return max(float((a - b).abs().max()) for a, b in pairs), max(float(a.abs().max()) for a, _ in pairs)


def row(name: str, package: str, networks: tuple[nn.Module, nn.Module], run: Callable[..., Any], size: Any) -> str:
    """A line of the table. ``run`` gives both outputs for an image, and the boxes' difference in words."""
    cells = []
    for kind in (torch.float32, torch.float64):
        images = torch.randint(0, 256, (1, 3, *size), generator=torch.manual_seed(2)).to(kind)
        images = (images - 128) / 64
        with torch.inference_mode():
            theirs, ours, boxes = run(*(each.to(kind) for each in networks), images)
        largest, value = differences(lambda t=theirs: t, lambda o=ours: o)
        cells += [f"{largest:.0e} of {value:.3g}"]
    return f"| {name} | {package} {version(package)} | {' | '.join(cells)} | {boxes} |"


def rtmposes(folder: Path) -> Iterator[str]:
    config, models = import_module("mmengine.config"), import_module("mmpose.models")
    import_module("mmdet.models")
    import_module("mmengine.registry").init_default_scope("mmpose")
    root = Path(import_module("mmpose").__file__ or "").parent / ".mim/configs/body_2d_keypoint/rtmpose/body8"
    for name, file in RTMPOSES.items():
        form = config.Config.fromfile(root / f"{file}_body8-256x192.py").model
        form.backbone.init_cfg = None
        theirs = drawn(models.build_pose_estimator(form))
        torch.save({"state_dict": theirs.state_dict(), "meta": {}}, folder / "w.pth")
        ours = read_published_pose(name, folder / "w.pth", POSE)
        yield row(name, "mmpose", (theirs, ours),
                  lambda a, b, x: (list(a(x, None, mode="tensor")), list(b(x)), ""), (256, 192))  # fmt: skip


def detectors(folder: Path) -> Iterator[str]:
    config, registry = import_module("mmengine.config"), import_module("mmdet.registry")
    import_module("mmdet.models")
    import_module("mmengine.registry").init_default_scope("mmdet")
    root = Path(import_module("mmdet").__file__ or "").parent / ".mim/configs"
    for name, file in DETECTORS.items():
        form = config.Config.fromfile(root / file).model
        form.backbone.pop("init_cfg", None)
        form.data_preprocessor.pop("batch_augments", None)
        form.bbox_head.num_classes = CLASSES
        form.test_cfg.update(score_thr=THRESHOLD, nms_pre=10**6, max_per_img=10**6)
        form.test_cfg.nms.iou_threshold = OVERLAP
        theirs = drawn(registry.MODELS.build(form))
        torch.save({"state_dict": theirs.state_dict(), "meta": {}}, folder / "w.pth")
        ours = read_published_detector(name, folder / "w.pth")
        yield row(name, "mmdet", (theirs, ours), detected, (SIDE, SIDE))


def detected(theirs: Any, ours: DenseDetector, images: Tensor) -> tuple[list[Tensor], list[Tensor], str]:
    """A person's logits of every level, and how far apart the boxes of people are."""
    raw, levels = theirs.bbox_head(theirs.extract_feat(images)), ours(images)
    note = [{"img_shape": (SIDE, SIDE), "scale_factor": (1.0, 1.0)}]
    people = theirs.bbox_head.predict_by_feat(*raw, batch_img_metas=note)[0]
    people = people[people.labels == 0]
    boxes, scores = (each[0] for each in ours.found(levels))
    sure = scores > THRESHOLD
    boxes, scores = boxes[sure], scores[sure]
    kept = nms(boxes, scores, OVERLAP)
    kept = kept[(boxes[kept, 2:] > boxes[kept, :2]).all(1)]
    count = f"{len(people)} and {len(kept)}"
    if len(people) == len(kept) > 0:
        count = f"{len(kept)}, {float((people.bboxes - boxes[kept]).abs().max()):.0e} px"
    return [each[:, 0] for each in raw[0]], [each[:, 0] for each in levels], count


def vitposes(folder: Path) -> Iterator[str]:
    package = import_module("transformers")
    for name, sizes in VITPOSES.items():
        backbone = package.VitPoseBackboneConfig(out_indices=[12], **sizes)
        form = package.VitPoseConfig(backbone_config=backbone, num_labels=17, use_simple_decoder=False)
        theirs = drawn(package.VitPoseForPoseEstimation(form))
        save_file(theirs.state_dict(), folder / "w.safetensors")
        ours = read_published_pose(name, folder / "w.safetensors", POSE)
        which = {"dataset_index": torch.zeros(1, dtype=torch.long)} if "num_experts" in sizes else {}
        yield row(name, "transformers", (theirs, ours),
                  lambda a, b, x, w=which: ([a(x, **w).heatmaps], [b(x)], ""), (256, 192))  # fmt: skip


def main() -> None:
    sys.meta_path.insert(0, CompiledOperators())
    print("| network | compared with | difference in float32 | in float64 | people's boxes left, difference |")
    print("|---|---|---|---|---|")
    missing = []
    for package, lines in (("mmpose", rtmposes), ("mmdet", detectors), ("transformers", vitposes)):
        with tempfile.TemporaryDirectory() as folder:
            try:
                for line in lines(Path(folder)):
                    print(line, flush=True)
            except ModuleNotFoundError as error:
                missing.append(f"{package}: {error.name} is not installed; {INSTALL[package]}")
    if missing:
        sys.exit("\n".join(missing))


if __name__ == "__main__":
    main()
