"""A real face with its landmarks marked by hand, and a small network with the outputs of SCRFD."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import skimage.data
from onnx import TensorProto, helper

from syncqc.faces.centerface import CenterFace
from syncqc.faces.detector import F32, U8


@pytest.fixture(scope="session")
def astronaut() -> U8:
    """(512, 512, 3) RGB; one smiling face, 93 px wide."""
    picture = np.ascontiguousarray(skimage.data.astronaut())
    picture.setflags(write=False)
    return picture


@pytest.fixture(scope="session")
def astronaut_landmarks() -> F32:
    """(5, 2), marked by hand at six times the size, good to about 1 px."""
    return np.array([[204.5, 101.2], [246.7, 103.0], [223.3, 125.0], [205.0, 140.8], [244.2, 141.3]], np.float32)


@pytest.fixture(scope="session")
def centerface() -> CenterFace:
    return CenterFace()


Moved = Callable[[float, float, tuple[float, float], tuple[int, int]], tuple[U8, F32]]


@pytest.fixture(scope="session")
def moved_astronaut(astronaut: U8, astronaut_landmarks: F32) -> Moved:
    """Picture and true landmarks after turning (degrees, clockwise as seen), scaling and putting the nose at a place."""

    def moved(turn_deg: float, scale: float, nose_px: tuple[float, float], size_px: tuple[int, int]) -> tuple[U8, F32]:
        cos, sin = scale * np.cos(np.radians(turn_deg)), scale * np.sin(np.radians(turn_deg))
        turn = np.array([[cos, -sin], [sin, cos]])
        shift = np.array(nose_px) - turn @ astronaut_landmarks[2]
        matrix = np.concatenate([turn, shift[:, None]], axis=1)
        picture = cv2.warpAffine(astronaut, matrix, size_px, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(picture, np.uint8), (astronaut_landmarks @ turn.T + shift).astype(np.float32)

    return moved


BOX_STEPS = {8: (2.0, 3.0, 4.0, 5.0), 16: (2.0, 2.0, 2.0, 2.0), 32: (1.0, 1.0, 2.0, 2.0)}
"""What the network below answers for boxes, per stride: left, top, right, bottom distance in strides."""
LANDMARK_STEPS = (-1.0, -1.5, 1.0, -1.25, 0.25, 0.0, -0.75, 1.0, 0.5, 1.5)
"""What it answers for landmarks: x and y distances in strides."""


def scrfd_like(n_outputs: int = 9) -> onnx.ModelProto:
    """A network with SCRFD's input and outputs that sees a face where a cell of the picture is of one pure colour.

    Stride 8 sees red, stride 16 green, stride 32 blue; the score is how much stronger that colour is than the next one,
    averaged over the cell. Of the two anchors of a cell only the first answers.
    """
    nodes, outputs = [], []
    constants = [
        helper.make_tensor("half", TensorProto.FLOAT, [], [0.5]),
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("column", TensorProto.INT64, [2], [-1, 1]),
        helper.make_tensor("landmark_steps", TensorProto.FLOAT, [1, 10], LANDMARK_STEPS),
    ]
    nodes.append(helper.make_node("Split", ["input.1"], ["red", "green", "blue"], axis=1, num_outputs=3))
    pairs = {8: ("red", "green"), 16: ("green", "blue"), 32: ("blue", "red")}
    for stride, (colour, other) in pairs.items():
        constants.append(helper.make_tensor(f"box_steps_{stride}", TensorProto.FLOAT, [1, 4], BOX_STEPS[stride]))
        nodes += [
            helper.make_node("Sub", [colour, other], [f"more_{stride}"]),
            helper.make_node("Mul", [f"more_{stride}", "half"], [f"halved_{stride}"]),
            helper.make_node("Clip", [f"halved_{stride}", "zero", "one"], [f"clipped_{stride}"]),
            helper.make_node("AveragePool", [f"clipped_{stride}"], [f"cells_{stride}"], kernel_shape=[stride] * 2, strides=[stride] * 2),
            helper.make_node("Mul", [f"cells_{stride}", "zero"], [f"silent_{stride}"]),
            helper.make_node("Concat", [f"cells_{stride}", f"silent_{stride}"], [f"anchors_{stride}"], axis=1),
            helper.make_node("Transpose", [f"anchors_{stride}"], [f"last_{stride}"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [f"last_{stride}", "column"], [f"score_{stride}"]),
            helper.make_node("Mul", [f"score_{stride}", "zero"], [f"zeros_{stride}"]),
            helper.make_node("Add", [f"zeros_{stride}", f"box_steps_{stride}"], [f"bbox_{stride}"]),
            helper.make_node("Add", [f"zeros_{stride}", "landmark_steps"], [f"kps_{stride}"]),
        ]
    for what, width in (("score", 1), ("bbox", 4), ("kps", 10)):
        outputs += [helper.make_tensor_value_info(f"{what}_{stride}", TensorProto.FLOAT, ["?", width]) for stride in (8, 16, 32)]
    graph = helper.make_graph(
        nodes, "scrfd", [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, "?", "?"])], outputs[:n_outputs], constants
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.fixture(scope="session")
def write_scrfd() -> Callable[[Path, int], None]:
    """Writes the network above, with its first so many outputs, to a file whose folder need not exist."""

    def write(file: Path, n_outputs: int = 9) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(scrfd_like(n_outputs), file)

    return write


@pytest.fixture(scope="session")
def scrfd_root(tmp_path_factory: pytest.TempPathFactory, write_scrfd: Callable[[Path, int], None]) -> Path:
    """A folder <root>/models/buffalo_l with a detection network, and a recognition network that cannot be opened."""
    root = tmp_path_factory.mktemp("detectors")
    pack = root / "models" / "buffalo_l"
    write_scrfd(pack / "det_10g.onnx", 9)
    (pack / "w600k_r50.onnx").write_bytes(b"not a network")
    return root
