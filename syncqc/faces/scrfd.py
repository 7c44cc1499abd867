"""SCRFD through insightface, the detector for those who may use its weights: they are for non-commercial research only.

Nothing is downloaded: the pack lies where the user put it, and only its detection network is loaded. Knows nothing of the
other networks of a pack.
Source: Guo et al., Sample and Computation Redistribution for Efficient Face Detection (ICLR 2022).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from syncqc.errors import UsageError
from syncqc.faces.detector import F32, U8, Faces, no_faces
from syncqc.faces.packs import check_installed, declared_file, detection_file
from syncqc.faces.providers import check_active, session_options, wanted_providers

_INPUT_PX = 640
_MAX_SHARE = 0.5


class Scrfd:
    """Boxes and landmarks from the SCRFD of an insightface pack.

    SCRFD misses faces that fill most of its square input, so a picture never fills more than half of it in its shorter
    direction: what is missing is black, on the right and below, and coordinates stay those of the picture.
    """

    def __init__(self, pack_dir: Path, threshold: float = 0.5, max_overlap: float = 0.4, n_threads: int = 1) -> None:
        """Loads the detection network in `pack_dir`.

        Raises:
            UsageError: insightface is not installed, the network cannot be read or has no landmarks, or it would run on
                the CPU although onnxruntime offers CUDA.
        """
        check_installed()
        self.name = f"insightface:{pack_dir.name}"
        wanted = wanted_providers()
        self._network = _load(pack_dir, wanted, n_threads)
        if not getattr(self._network, "use_kps", False):
            raise UsageError(f"the detection network in {pack_dir} gives no landmarks, and only they place the crops; take another pack.")
        self.provider = check_active(self._network.session, wanted, self.name)
        self._network.prepare(0, input_size=(_INPUT_PX, _INPUT_PX), det_thresh=threshold, nms_thresh=max_overlap)

    def detect(self, images: U8) -> list[Faces]:
        """The faces of each of `images`, (n, height, width, 3) RGB; coordinates in pixels of `images`."""
        _, height, width, _ = images.shape
        side = max(_INPUT_PX, height, width, round(min(height, width) / _MAX_SHARE))
        canvas = np.zeros((side, side, 3), np.uint8)
        found: list[Faces] = []
        for image in images:
            canvas[:height, :width] = image[:, :, ::-1]  # insightface takes BGR
            boxes, landmarks = self._network.detect(canvas)
            found.append(_faces(boxes, landmarks, (width, height)))
        return found


def _load(pack_dir: Path, providers: list[str], n_threads: int) -> Any:
    """The pack's detection network as insightface's own object; the other networks of the pack stay closed."""
    from insightface.model_zoo import get_model

    file = detection_file(pack_dir)
    if file is None:
        raise UsageError(f"{pack_dir} holds no detection network (det_*.onnx or scrfd*.onnx).")
    source: dict[str, Any] = {"name": str(file)} if declared_file(pack_dir) is None else {"name": str(pack_dir), "model_task": "detection"}
    try:
        network = get_model(**source, providers=providers, sess_options=session_options(n_threads), download=False)
    except Exception as error:  # onnxruntime and insightface raise a dozen kinds for a file that is cut off or something else
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{file} cannot be loaded as a face detector, download it again: {reason}") from error
    if getattr(network, "taskname", None) != "detection":
        raise UsageError(f"{file} is not a face detector in insightface's eyes; download it again.")
    return network


def _faces(boxes: F32, landmarks: F32, limit: tuple[int, int]) -> Faces:
    """Boxes (n, 5) with their scores, most confident first, and landmarks (n, 5, 2) as insightface gives them.

    Its order of landmarks is ours: the eye, then the mouth corner, that an upright face shows on the left comes first.
    """
    if not len(boxes):
        return no_faces()
    corners = np.clip(boxes[:, :4], 0, np.tile(np.array(limit, np.float32), 2))
    return Faces(corners.astype(np.float32), landmarks.astype(np.float32), boxes[:, 4].astype(np.float32))
