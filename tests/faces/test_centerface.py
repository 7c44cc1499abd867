from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import onnxruntime
import pytest
import skimage.data

from syncqc.errors import UsageError
from syncqc.faces import providers
from syncqc.faces.centerface import CenterFace
from syncqc.faces.crop import placement
from syncqc.faces.detector import F32, U8, Faces

Moved = Callable[[float, float, tuple[float, float], tuple[int, int]], tuple[U8, F32]]


def farthest_off(faces: Faces, truth: F32) -> float:
    """Distance of the worst landmark from the truth, in sides of the face."""
    assert len(faces) == 1
    side = placement(truth[None])[1][0]
    return float(np.linalg.norm(faces.landmarks_px[0] - truth, axis=1).max() / side)


# --- the real network on a real face ---


@pytest.mark.parametrize("scale", [2.0, 1.0, 0.5, 0.3, 0.2])
def test_the_face_is_found_at_any_size(centerface: CenterFace, astronaut: U8, astronaut_landmarks: F32, scale: float) -> None:
    picture = cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    (faces,) = centerface.detect(picture[None])
    assert farthest_off(faces, astronaut_landmarks * scale) < 0.1


@pytest.mark.parametrize(
    ("size_px", "nose_px"),
    [
        pytest.param((321, 241), (160.0, 120.0), id="odd"),
        pytest.param((321, 241), (80.0, 90.0), id="odd-and-off-centre"),
        pytest.param((240, 427), (120.0, 300.0), id="portrait"),
        pytest.param((853, 200), (600.0, 100.0), id="wide"),
    ],
)
def test_coordinates_are_those_of_the_picture(
    centerface: CenterFace, moved_astronaut: Moved, size_px: tuple[int, int], nose_px: tuple[float, float]
) -> None:
    picture, truth = moved_astronaut(0.0, 0.9, nose_px, size_px)
    (faces,) = centerface.detect(picture[None])
    assert farthest_off(faces, truth) < 0.1
    left, top, right, bottom = faces.boxes_px[0]
    assert left < truth[:, 0].min() and right > truth[:, 0].max()
    assert top < truth[:, 1].min() and bottom > truth[:, 1].max()


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_left_is_left_as_seen_in_the_picture(centerface: CenterFace, astronaut: U8, is_mirrored: bool) -> None:
    picture = np.ascontiguousarray(astronaut[:, ::-1]) if is_mirrored else astronaut
    (faces,) = centerface.detect(picture[None])
    left_eye, right_eye, nose, left_corner, right_corner = faces.landmarks_px[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_corner[0] < nose[0] < right_corner[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_corner[1], right_corner[1])


def test_many_at_once_are_as_one_at_a_time(centerface: CenterFace, moved_astronaut: Moved) -> None:
    pictures = [moved_astronaut(0.0, 0.9, (100.0 + 13 * i, 120.0), (320, 240))[0] for i in range(10)]
    pictures[4] = np.zeros_like(pictures[4])
    together = centerface.detect(np.stack(pictures))
    assert [len(faces) for faces in together] == [1, 1, 1, 1, 0, 1, 1, 1, 1, 1]
    for picture, faces in zip(pictures, together, strict=True):
        (alone,) = centerface.detect(picture[None])
        np.testing.assert_allclose(alone.landmarks_px, faces.landmarks_px, atol=0.01)
        np.testing.assert_allclose(alone.boxes_px, faces.boxes_px, atol=0.01)


def test_two_faces_are_two(centerface: CenterFace, astronaut: U8) -> None:
    head = astronaut[20:220, 120:330]
    (faces,) = centerface.detect(np.concatenate([head, head[:, ::-1]], axis=1)[None])
    assert len(faces) == 2
    assert faces.confidences[0] >= faces.confidences[1] > 0.5
    assert abs(float(np.diff(faces.boxes_px[:, 0])[0])) > 100


def pictures_without_faces() -> dict[str, U8]:
    slope = np.linspace(0, 255, 320).astype(np.uint8)
    return {
        "noise": np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8),
        "gradient": np.tile(slope[None, :, None], (240, 1, 3)),
        "black": np.zeros((240, 320, 3), np.uint8),
        "cup": skimage.data.coffee(),
        "cat": skimage.data.chelsea(),
    }


@pytest.mark.parametrize("name", pictures_without_faces())
def test_no_face_is_found_where_there_is_none(centerface: CenterFace, name: str) -> None:
    (faces,) = centerface.detect(pictures_without_faces()[name][None])
    assert len(faces) == 0
    assert (faces.boxes_px.shape, faces.landmarks_px.shape, faces.confidences.shape) == ((0, 4), (0, 5, 2), (0,))


@pytest.mark.parametrize("shape", [(8, 8), (1, 1), (3, 500), (500, 3)])
def test_tiny_and_thin_pictures_do_no_harm(centerface: CenterFace, shape: tuple[int, int]) -> None:
    assert [len(faces) for faces in centerface.detect(np.full((2, *shape, 3), 128, np.uint8))] == [0, 0]


def test_no_pictures_give_no_results(centerface: CenterFace) -> None:
    assert centerface.detect(np.zeros((0, 240, 320, 3), np.uint8)) == []


def test_the_threshold_decides(astronaut: U8) -> None:
    sure = CenterFace(threshold=0.5).detect(astronaut[None])[0].confidences
    assert len(CenterFace(threshold=float(sure[0]) + 0.01).detect(astronaut[None])[0]) == 0
    assert len(CenterFace(threshold=float(sure[0]) - 0.01).detect(astronaut[None])[0]) == 1


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
@pytest.mark.skipif(providers.CUDA in onnxruntime.get_available_providers(), reason="CUDA is there")
def test_running_on_the_cpu_where_cuda_was_wanted_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncqc.faces.centerface.wanted_providers", lambda: [providers.CUDA, providers.CPU])
    with pytest.raises(UsageError, match=r"centerface was to run on CUDA.* fell back to CPU"):
        CenterFace()


# --- reading the network's outputs, by hand ---


class Answers:
    """A session that answers with maps of hand-made peaks, whatever it is shown, and remembers the shape it was shown."""

    def __init__(self, *peaks: dict[str, float]) -> None:
        self.peaks, self.shapes = peaks, []

    def run(self, _: list[str], inputs: dict[str, F32]) -> list[F32]:
        (blob,) = inputs.values()
        self.shapes.append(blob.shape)
        n, _, height, width = blob.shape
        maps = [np.zeros((n, channels, height // 4, width // 4), np.float32) for channels in (1, 2, 2, 10)]
        for peak in self.peaks:
            at = (slice(None), slice(None), int(peak["row"]), int(peak["column"]))
            maps[0][at] = peak["confidence"]
            maps[1][at] = np.log([peak["height"] / 4, peak["width"] / 4])
            maps[2][at] = [peak.get("down", 0.0), peak.get("right", 0.0)]
            maps[3][at] = [0.4, 0.3, 0.4, 0.7, 0.6, 0.5, 0.8, 0.35, 0.8, 0.65]
        return maps


@pytest.fixture
def with_answers(monkeypatch: pytest.MonkeyPatch, centerface: CenterFace) -> Callable[..., Answers]:
    def install(*peaks: dict[str, float]) -> Answers:
        answers = Answers(*peaks)
        monkeypatch.setattr(centerface, "_session", answers)
        return answers

    return install


PEAK = {"row": 20, "column": 30, "confidence": 0.8, "height": 56.0, "width": 48.0}


def test_a_peak_becomes_a_box_and_landmarks(centerface: CenterFace, with_answers: Callable[..., Answers]) -> None:
    # Input and picture of one size. Centre ((30 + 0.25 + 0.5) * 4, (20 + 0.5) * 4) = (123, 82), box 48 wide and 56 high.
    with_answers(PEAK | {"right": 0.25})
    (faces,) = centerface.detect(np.zeros((1, 192, 256, 3), np.uint8))
    np.testing.assert_allclose(faces.boxes_px, [[99, 54, 147, 110]], atol=1e-3)
    # Landmarks lie at shares of the box, counted from its corner: 99 + 0.3 * 48 = 113.4, 54 + 0.4 * 56 = 76.4, ...
    np.testing.assert_allclose(faces.landmarks_px, [[[113.4, 76.4], [132.6, 76.4], [123.0, 87.6], [115.8, 98.8], [130.2, 98.8]]], atol=1e-3)
    np.testing.assert_allclose(faces.confidences, [0.8])


def test_each_direction_is_mapped_back_by_its_own_scale(centerface: CenterFace, with_answers: Callable[..., Answers]) -> None:
    # 321 x 241 is shown as 288 x 224 (multiples of 32 nearest to 298.4 x 224).
    answers = with_answers(PEAK)
    (faces,) = centerface.detect(np.zeros((1, 241, 321, 3), np.uint8))
    assert answers.shapes == [(1, 3, 224, 288)]
    np.testing.assert_allclose(faces.boxes_px, [[98 * 321 / 288, 54 * 241 / 224, 146 * 321 / 288, 110 * 241 / 224]], rtol=1e-5)
    np.testing.assert_allclose(faces.landmarks_px[0, 2], [122 * 321 / 288, 87.6 * 241 / 224], rtol=1e-5)


def test_a_small_picture_is_not_enlarged_beyond_the_next_multiple_of_32(
    centerface: CenterFace, with_answers: Callable[..., Answers]
) -> None:
    answers = with_answers()
    centerface.detect(np.zeros((1, 100, 140, 3), np.uint8))
    assert answers.shapes == [(1, 3, 96, 128)]


@pytest.mark.parametrize(
    ("second", "kept"),
    [
        pytest.param({"column": 32}, [0.9], id="overlap-0.71-drops-the-weaker"),
        pytest.param({"column": 37}, [0.9, 0.8], id="overlap-0.26-keeps-both"),
        pytest.param({"column": 31, "confidence": 0.49}, [0.9], id="below-threshold"),
    ],
)
def test_the_strongest_of_overlapping_boxes_stays(
    centerface: CenterFace, with_answers: Callable[..., Answers], second: dict[str, float], kept: list[float]
) -> None:
    with_answers(PEAK | second, PEAK | {"confidence": 0.9})
    (faces,) = centerface.detect(np.zeros((1, 192, 256, 3), np.uint8))
    np.testing.assert_allclose(faces.confidences, kept)


def test_boxes_end_at_the_border_and_landmarks_need_not(centerface: CenterFace, with_answers: Callable[..., Answers]) -> None:
    with_answers(PEAK | {"column": 2, "row": 1})
    (faces,) = centerface.detect(np.zeros((1, 192, 256, 3), np.uint8))
    np.testing.assert_allclose(faces.boxes_px, [[0, 0, 34, 34]], atol=1e-3)
    # Unclipped, the box begins at (-14, -22).
    np.testing.assert_allclose(faces.landmarks_px[0, 0], [-14 + 0.3 * 48, -22 + 0.4 * 56], atol=1e-3)
