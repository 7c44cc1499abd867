"""The real adapter and the real insightface, on a small network whose answers can be worked out by hand."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from syncqc.errors import UsageError
from syncqc.faces import providers
from syncqc.faces.scrfd import Scrfd

Write = Callable[..., None]
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture(scope="module")
def scrfd(scrfd_root: Path) -> Scrfd:
    return Scrfd(scrfd_root / "models" / "buffalo_l")


def picture_with(colour: tuple[int, int, int], row: int, column: int, cell_px: int, height: int = 240, width: int = 320) -> np.ndarray:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[row * cell_px : (row + 1) * cell_px, column * cell_px : (column + 1) * cell_px] = colour
    return picture


# The network sees red at stride 8, green at 16, blue at 32: a swap of red and blue gives another box.
@pytest.mark.parametrize(
    ("colour", "row", "column", "stride", "box", "landmarks"),
    [
        pytest.param(RED, 10, 20, 8, [144, 56, 192, 120], [[152, 68], [168, 70], [162, 80], [154, 88], [164, 92]], id="stride-8-red"),
        pytest.param(
            GREEN, 10, 6, 16, [64, 128, 128, 192], [[80, 136], [112, 140], [100, 160], [84, 176], [104, 184]], id="stride-16-green"
        ),
        pytest.param(BLUE, 3, 4, 32, [96, 64, 192, 160], [[96, 48], [160, 56], [136, 96], [104, 128], [144, 144]], id="stride-32-blue"),
    ],
)
def test_box_and_landmarks_are_decoded_per_stride(
    scrfd: Scrfd, colour: tuple[int, int, int], row: int, column: int, stride: int, box: list[int], landmarks: list[list[int]]
) -> None:
    (faces,) = scrfd.detect(picture_with(colour, row, column, stride)[None])
    np.testing.assert_allclose(faces.boxes_px, [box], atol=1e-3)
    np.testing.assert_allclose(faces.landmarks_px, [landmarks], atol=1e-3)
    np.testing.assert_allclose(faces.confidences, [255 / 256], atol=1e-6)
    assert (faces.boxes_px.dtype, faces.landmarks_px.dtype, faces.confidences.dtype) == (np.float32,) * 3


def test_landmarks_come_as_left_eye_right_eye_nose_left_and_right_mouth_corner(scrfd: Scrfd) -> None:
    (faces,) = scrfd.detect(picture_with(RED, 10, 20, 8)[None])
    left_eye, right_eye, nose, left_corner, right_corner = faces.landmarks_px[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_corner[0] < nose[0] < right_corner[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_corner[1], right_corner[1])


def test_several_faces_come_most_confident_first_and_one_at_a_time_gives_the_same(scrfd: Scrfd) -> None:
    two = picture_with(RED, 10, 30, 8)
    two[160:176, 96:112] = (0, 200, 0)
    images = np.stack([two, np.zeros_like(two), picture_with(BLUE, 3, 4, 32)])
    together = scrfd.detect(images)
    assert [len(faces) for faces in together] == [2, 0, 1]
    np.testing.assert_allclose(together[0].confidences, [255 / 256, 200 / 256], atol=1e-6)
    for image, faces in zip(images, together, strict=True):
        (alone,) = scrfd.detect(image[None])
        np.testing.assert_array_equal(alone.landmarks_px, faces.landmarks_px)


def test_faces_below_the_threshold_are_left_out(scrfd_root: Path) -> None:
    faint = picture_with((140, 0, 0), 10, 20, 8)[None]
    pack = scrfd_root / "models" / "buffalo_l"
    assert [len(Scrfd(pack, threshold=threshold).detect(faint)[0]) for threshold in (0.5, 0.6)] == [1, 0]


def test_a_large_picture_is_reduced_and_coordinates_are_those_of_the_picture(scrfd: Scrfd) -> None:
    # 720 lines are put into 1440 x 1440 and reduced by 2.25: a cell of 18 px is a cell of 8 px there.
    (faces,) = scrfd.detect(picture_with(RED, 20, 30, 18, height=720, width=1280)[None])
    np.testing.assert_allclose(faces.boxes_px, [[504, 306, 612, 450]], atol=0.01)
    np.testing.assert_allclose(faces.landmarks_px[0, 2], [544.5, 360], atol=0.01)


@pytest.mark.parametrize(("height", "width", "side"), [(224, 224, 640), (360, 640, 720), (640, 360, 720), (300, 1200, 1200), (8, 8, 640)])
def test_a_picture_fills_at_most_half_of_what_the_network_sees(
    scrfd: Scrfd, monkeypatch: pytest.MonkeyPatch, height: int, width: int, side: int
) -> None:
    seen: list[np.ndarray] = []

    def remember(canvas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(canvas.copy())
        return np.zeros((0, 5), np.float32), np.zeros((0, 5, 2), np.float32)

    monkeypatch.setattr(scrfd._network, "detect", remember)
    assert len(scrfd.detect(np.full((1, height, width, 3), (10, 20, 30), np.uint8))[0]) == 0
    assert seen[0].shape == (side, side, 3)
    np.testing.assert_array_equal(seen[0][height - 1, width - 1], [30, 20, 10], err_msg="insightface takes BGR")
    assert seen[0][height:].sum() + seen[0][:, width:].sum() == 0


def test_boxes_end_at_the_border_of_the_picture(scrfd: Scrfd) -> None:
    (faces,) = scrfd.detect(picture_with(RED, 29, 39, 8)[None])
    np.testing.assert_allclose(faces.boxes_px, [[296, 208, 320, 240]], atol=1e-3)


def test_nothing_is_downloaded_and_the_other_networks_of_the_pack_stay_closed(scrfd_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("insightface.utils.storage.download_file", refuse)
    opened: list[str] = []
    real = onnxruntime.InferenceSession.__init__

    def note(self: object, source: object, *rest: object, **settings: object) -> None:
        opened.append(Path(source).name if isinstance(source, str | os.PathLike) else "bytes")
        real(self, source, *rest, **settings)

    monkeypatch.setattr(onnxruntime.InferenceSession, "__init__", note)
    Scrfd(scrfd_root / "models" / "buffalo_l").detect(np.zeros((1, 64, 64, 3), np.uint8))
    assert opened[0] == "det_10g.onnx"
    assert "w600k_r50.onnx" not in opened


def test_a_pack_with_a_manifest_is_read_by_its_manifest(tmp_path: Path, write_scrfd: Write) -> None:
    pack = tmp_path / "raccoon_s"
    write_scrfd(pack / "faces.onnx")
    manifest = {"manifest_version": 2, "model_id": "raccoon_s", "license": "MODEL.LICENSE", "tasks": {"detection": {"file": "faces.onnx"}}}
    (pack / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (faces,) = Scrfd(pack).detect(picture_with(RED, 10, 20, 8)[None])
    np.testing.assert_allclose(faces.boxes_px, [[144, 56, 192, 120]], atol=1e-3)


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"], ids=["empty", "pointer"])
def test_a_file_that_is_no_network_is_a_usage_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "det_10g.onnx").write_bytes(content)
    with pytest.raises(UsageError, match=r"det_10g\.onnx cannot be loaded as a face detector, download it again"):
        Scrfd(tmp_path)


def test_a_detector_without_landmarks_is_a_usage_error(tmp_path: Path, write_scrfd: Write) -> None:
    write_scrfd(tmp_path / "det_500m.onnx", n_outputs=6)
    with pytest.raises(UsageError, match="gives no landmarks"):
        Scrfd(tmp_path)


def test_a_network_that_insightface_takes_for_something_else_is_a_usage_error(tmp_path: Path, write_scrfd: Write) -> None:
    write_scrfd(tmp_path / "det_10g.onnx", n_outputs=3)
    with pytest.raises(UsageError, match=r"det_10g\.onnx"):
        Scrfd(tmp_path)


def test_a_folder_without_a_detector_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no detection network"):
        Scrfd(tmp_path)


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_running_on_the_cpu_where_cuda_was_wanted_is_an_error(scrfd_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncqc.faces.scrfd.wanted_providers", lambda: [providers.CUDA, providers.CPU])
    monkeypatch.setattr("insightface.model_zoo.model_zoo.preload_cuda_libraries", lambda _: None)
    if providers.CUDA in onnxruntime.get_available_providers():
        pytest.skip("CUDA is there")
    with pytest.raises(UsageError, match=r"insightface:buffalo_l was to run on CUDA.* fell back to CPU"):
        Scrfd(scrfd_root / "models" / "buffalo_l")


def test_a_missing_package_names_the_extra(scrfd_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "insightface", None)
    with pytest.raises(UsageError, match=r"pip install 'syncqc\[insightface\]'"):
        Scrfd(scrfd_root / "models" / "buffalo_l")
