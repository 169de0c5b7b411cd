"""The publishers' pre- and post-processing, written a second time from what their code does, loops and all.

Official code: lib/utils/transforms.py, lib/core/inference.py, lib/core/function.py and lib/dataset of
microsoft/human-pose-estimation.pytorch and leoxiaobin/deep-high-resolution-net.pytorch; MMPose: TopdownAffine,
PoseDataPreprocessor, MSRAHeatmap, flip_heatmaps. All of it in the box's (x1, y1, x2, y2) and in BGR images, as
``cv2.imread`` reads them.
"""

import cv2
import numpy as np
import torch
import torchvision.transforms.functional as transforms

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def centre_and_scale(box: np.ndarray, aspect: float) -> tuple[np.ndarray, np.ndarray]:
    """The official ``_xywh2cs``: the scale is in units of 200 pixels."""
    x, y, width, height = box[0], box[1], box[2] - box[0], box[3] - box[1]
    centre = np.array([x + width * 0.5, y + height * 0.5], np.float32)
    if width > aspect * height:
        height = width / aspect
    elif width < aspect * height:
        width = height * aspect
    return centre, np.array([width / 200, height / 200], np.float32) * 1.25


def three_point_transform(
    centre: np.ndarray, scale: np.ndarray, size: tuple[int, int], inverse: bool = False
) -> np.ndarray:
    """``get_affine_transform`` without a turn: from three points, the third at right angles to the first two."""
    here, there = np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32)
    here[0] = centre
    here[1] = centre + np.array([0, -0.5 * scale[0] * 200])
    there[0] = [size[0] * 0.5, size[1] * 0.5]
    there[1] = there[0] + np.array([0, -0.5 * size[0]])
    for points in (here, there):
        difference = points[0] - points[1]
        points[2] = points[1] + [-difference[1], difference[0]]
    return cv2.getAffineTransform(there, here) if inverse else cv2.getAffineTransform(here, there)


def crop(image_bgr: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 [height, width, 3] BGR."""
    transform = three_point_transform(*centre_and_scale(box, size[0] / size[1]), size)
    return cv2.warpAffine(image_bgr, transform, size, flags=cv2.INTER_LINEAR)


def official_input(crop_bgr: np.ndarray, colour_rgb: bool) -> torch.Tensor:
    """ToTensor and Normalize, with a conversion to RGB where the configuration says COLOR_RGB."""
    image = cv2.cvtColor(crop_bgr, cv2.COLOR_BGR2RGB) if colour_rgb else crop_bgr
    return transforms.normalize(torch.from_numpy(image.transpose(2, 0, 1).copy()).float().div(255), MEAN, STD)


def mmpose_input(crop_bgr: np.ndarray) -> torch.Tensor:
    """PoseDataPreprocessor with bgr_to_rgb: mean and standard deviation in grey levels."""
    image = torch.from_numpy(crop_bgr.transpose(2, 0, 1).copy())[[2, 1, 0]].float()
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    return (image - mean.view(3, 1, 1)) / std.view(3, 1, 1)


def flip_averaged(straight: np.ndarray, flipped: np.ndarray, pairs: list[tuple[int, int]]) -> np.ndarray:
    """``flip_back``, SHIFT_HEATMAP and the mean."""
    back = flipped[..., ::-1].copy()
    for left, right in pairs:
        back[:, [left, right]] = back[:, [right, left]]
    shifted = back.copy()
    shifted[..., 1:] = back[..., :-1]
    return (straight + shifted) * 0.5


def quarter_peaks(heatmaps: np.ndarray) -> np.ndarray:
    """``get_max_preds`` and the quarter offset of ``get_final_preds``; MMPose 0.x has the same."""
    people, joints, height, width = heatmaps.shape
    points = np.zeros((people, joints, 2))
    for person in range(people):
        for joint in range(joints):
            heatmap = heatmaps[person, joint]
            y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
            points[person, joint] = x, y
            if 1 < x < width - 1 and 1 < y < height - 1:
                points[person, joint] += 0.25 * np.sign(
                    [heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]]
                )
    return points


def quarter_peaks_of_mmpose(heatmaps: np.ndarray) -> np.ndarray:
    """MMPose 1.x's ``refine_keypoints``: a peak may be moved along one axis alone."""
    people, joints, height, width = heatmaps.shape
    points = np.zeros((people, joints, 2))
    for person in range(people):
        for joint in range(joints):
            heatmap = heatmaps[person, joint]
            y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
            dx = heatmap[y, x + 1] - heatmap[y, x - 1] if 1 < x < width - 1 and 0 < y < height else 0
            dy = heatmap[y + 1, x] - heatmap[y - 1, x] if 1 < y < height - 1 and 0 < x < width else 0
            points[person, joint] = (x, y) + 0.25 * np.sign([dx, dy])
    return points


def dark_peaks(heatmaps: np.ndarray, kernel: int) -> np.ndarray:
    """``gaussian_blur`` and the Taylor step of DarkPose and MMPose, on whole maps, in float32 as there."""
    people, joints, height, width = heatmaps.shape
    points, border = np.zeros((people, joints, 2)), kernel // 2
    for person in range(people):
        for joint in range(joints):
            heatmap = heatmaps[person, joint]
            y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
            points[person, joint] = x, y
            if not (1 < x < width - 2 and 1 < y < height - 2):
                continue
            blurred = cv2.GaussianBlur(np.pad(heatmap, border), (kernel, kernel), 0)
            blurred = blurred[border:-border, border:-border]
            log = np.log(np.maximum(blurred * (heatmap.max() / blurred.max()), np.float32(1e-10)))
            gradient = [(log[y, x + 1] - log[y, x - 1]) / 2, (log[y + 1, x] - log[y - 1, x]) / 2]
            xx = (log[y, x + 2] - 2 * log[y, x] + log[y, x - 2]) / 4
            yy = (log[y + 2, x] - 2 * log[y, x] + log[y - 2, x]) / 4
            xy = (log[y + 1, x + 1] - log[y - 1, x + 1] - log[y + 1, x - 1] + log[y - 1, x - 1]) / 4
            if xx * yy - xy**2 != 0:
                hessian = np.array([[xx, xy], [xy, yy]])
                points[person, joint] -= np.linalg.inv(hessian) @ np.array(gradient)
    return points


def official_to_source(points: np.ndarray, box: np.ndarray, cells: tuple[int, int], aspect: float) -> np.ndarray:
    """``transform_preds``: cells [K, 2] of heatmaps ``cells`` wide and high to source pixels."""
    transform = three_point_transform(*centre_and_scale(box, aspect), cells, inverse=True)
    return np.array([transform @ [x, y, 1] for x, y in points])


def mmpose_to_source(points: np.ndarray, box: np.ndarray, size: tuple[int, int], stride: float) -> np.ndarray:
    """MSRAHeatmap.decode and ``add_pred_to_datasample``: cells [K, 2] to input pixels to source pixels."""
    centre, scale = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * 1.25
    aspect = size[0] / size[1]
    scale = (
        np.array([scale[0], scale[0] / aspect]) if scale[0] > scale[1] * aspect else [scale[1] * aspect, scale[1]]
    )
    return points * stride / size * np.array(scale) + centre - 0.5 * np.array(scale)


def mmpose_crop(image_bgr: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """``get_warp_matrix`` without a turn, and ``TopdownAffine``: uint8 [height, width, 3] BGR."""
    centre, (wide, _) = _centre_and_size(box, size[0] / size[1])
    here, there = np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32)
    here[0], there[0] = centre, [size[0] * 0.5, size[1] * 0.5]
    here[1] = centre + np.array([wide * -0.5, 0.0])
    there[1] = there[0] + np.array([size[0] * -0.5, 0.0])
    for points in (here, there):
        direction = points[0] - points[1]
        points[2] = points[1] + np.array([-direction[1], direction[0]])
    return cv2.warpAffine(image_bgr, cv2.getAffineTransform(here, there), size, flags=cv2.INTER_LINEAR)


def udp_crop(image_bgr: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """``get_udp_warp_matrix`` without a turn, and ``TopdownAffine``: uint8 [height, width, 3] BGR."""
    (centre_x, centre_y), (wide, high) = _centre_and_size(box, size[0] / size[1])
    matrix = np.zeros((2, 3), np.float32)
    matrix[0, 0], matrix[1, 1] = np.float32(size[0] - 1) / wide, np.float32(size[1] - 1) / high
    matrix[0, 2], matrix[1, 2] = matrix[0, 0] * (wide / 2 - centre_x), matrix[1, 1] * (high / 2 - centre_y)
    return cv2.warpAffine(image_bgr, matrix, size, flags=cv2.INTER_LINEAR)


def _centre_and_size(box: np.ndarray, aspect: float) -> tuple[np.ndarray, np.ndarray]:
    """``bbox_xyxy2cs`` and ``_fix_aspect_ratio``, in float32 as there."""
    aspect, (wide, high) = np.float32(aspect), (box[2:] - box[:2]) * np.float32(1.25)
    size = (wide, wide / aspect) if wide > high * aspect else (high * aspect, high)
    return (box[:2] + box[2:]) * np.float32(0.5), np.array(size, np.float32)


def udp_peaks(heatmaps: np.ndarray, kernel: int) -> np.ndarray:
    """``refine_keypoints_dark_udp`` on whole maps, in float32 as there up to the Hessian's inverse."""
    people, joints, height, width = heatmaps.shape
    points, border = np.zeros((people, joints, 2)), kernel // 2
    for person in range(people):
        for joint in range(joints):
            heatmap = heatmaps[person, joint]
            y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
            blurred = cv2.GaussianBlur(np.pad(heatmap, border), (kernel, kernel), 0)
            blurred = blurred[border:-border, border:-border]
            scaled = blurred * (heatmap.max() / blurred.max())
            log = np.log(np.clip(scaled, np.float32(1e-3), np.float32(50)))
            log = np.pad(log, 1, mode="edge")
            row, column = y + 1, x + 1
            here, right, left = log[row, column], log[row, column + 1], log[row, column - 1]
            below, above = log[row + 1, column], log[row - 1, column]
            mixed = log[row + 1, column + 1] - right - below + 2 * here - left - above + log[row - 1, column - 1]
            hessian = np.array([[right - 2 * here + left, mixed / 2], [mixed / 2, below - 2 * here + above]])
            inverse = np.linalg.inv(hessian + np.finfo(np.float32).eps * np.eye(2))
            points[person, joint] = np.array([x, y]) - inverse @ [(right - left) / 2, (below - above) / 2]
    return points


def udp_to_source(points: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """``UDPHeatmap.decode`` and ``add_pred_to_datasample``: cells [K, 2] of a quarter of the input to source."""
    centre, extent = _centre_and_size(box, size[0] / size[1])
    cells = np.array([size[0] // 4, size[1] // 4])
    return points / (cells - 1) * size / size * extent + centre - 0.5 * extent
