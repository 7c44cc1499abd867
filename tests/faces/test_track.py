from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.faces.detector import F32, Faces, no_faces
from syncqc.faces.track import FaceTrack, boxes_per_image, follow, images_to_detect, landmarks_per_image


def seen(*centres_and_widths: tuple[float, float, float]) -> Faces:
    """Square faces by centre x, centre y and width; all five landmarks lie on the centre."""
    if not centres_and_widths:
        return no_faces()
    faces = np.array(centres_and_widths, np.float32)
    centres, half = faces[:, :2], faces[:, 2:] / 2
    return Faces(
        np.concatenate([centres - half, centres + half], axis=1),
        np.repeat(centres[:, None], 5, axis=1),
        np.full(len(faces), 0.9, np.float32),
    )


def track_of(images: list[int], landmarks: F32) -> FaceTrack:
    return FaceTrack(images, [np.zeros(4, np.float32)] * len(images), list(landmarks.astype(np.float32)), [0.9] * len(images))


# --- which images are looked at ---


@pytest.mark.parametrize(
    ("shots", "every", "images"),
    [
        pytest.param([(0, 11)], 5, [0, 5, 10], id="last-falls-on-the-grid"),
        pytest.param([(0, 10)], 5, [0, 5, 9], id="last-is-added"),
        pytest.param([(0, 7), (7, 14)], 5, [0, 5, 6, 7, 12, 13], id="each-shot-on-its-own-grid"),
        pytest.param([(0, 3)], 1, [0, 1, 2], id="every-image"),
        pytest.param([(4, 5)], 5, [4], id="one-image"),
        pytest.param([(0, 5), (9, 9)], 5, [0, 4], id="empty-shot"),
        pytest.param([], 5, [], id="no-shot"),
    ],
)
def test_images_to_detect_reach_both_ends_of_each_shot(shots: list[tuple[int, int]], every: int, images: list[int]) -> None:
    assert images_to_detect(shots, every) == images


# --- who is who ---


def test_a_still_face_is_one_track_over_the_whole_shot() -> None:
    (track,) = follow({image: seen((100, 80, 60)) for image in (0, 5, 10, 14)}, [(0, 15)])
    assert track.images == [0, 5, 10, 14]
    assert track.n_images == 15
    assert track.size == pytest.approx(60 * 60 * 15)


@pytest.mark.parametrize(
    ("lower_y", "width"), [pytest.param(140.0, 60.0, id="past-each-other"), pytest.param(100.0, 90.0, id="one-in-front-of-the-other")]
)
def test_two_faces_that_cross_keep_their_tracks(lower_y: float, width: float) -> None:
    # One goes right, the other left; half-way they are at the same x. The order within an image changes as well.
    detections = {}
    for step in range(11):
        right, left = (100.0 + 10 * step, 100.0, 60.0), (200.0 - 10 * step, lower_y, width)
        detections[5 * step] = seen(right, left) if step % 2 else seen(left, right)
    tracks = follow(detections, [(0, 51)])
    assert [track.n_images for track in tracks] == [51, 51]
    steps = sorted(np.sign(np.diff([marks[0, 0] for marks in track.landmarks_px])).tolist() for track in tracks)
    assert steps == [[-1.0] * 10, [1.0] * 10]


@pytest.mark.parametrize(
    ("missed", "images"),
    [
        pytest.param([3, 4], [[0, 1, 2, 5, 6, 7, 8, 9]], id="two-missed-are-bridged"),
        pytest.param([3, 4, 5], [[6, 7, 8, 9], [0, 1, 2]], id="three-missed-end-it"),
        pytest.param([0, 1, 8, 9], [[2, 3, 4, 5, 6, 7]], id="late-and-early"),
    ],
)
def test_missed_detections(missed: list[int], images: list[list[int]]) -> None:
    detections = {image: seen() if image in missed else seen((100, 80, 60)) for image in range(10)}
    assert [track.images for track in follow(detections, [(0, 10)])] == images


def test_misses_count_images_looked_at_and_not_images() -> None:
    detections = {image: seen() if image in (10, 15) else seen((100, 80, 60)) for image in range(0, 31, 5)}
    assert [track.images for track in follow(detections, [(0, 31)])] == [[0, 5, 20, 25, 30]]


def test_a_cut_ends_a_track_although_the_next_face_is_in_the_same_place() -> None:
    detections = {image: seen((100, 80, 60)) for image in (0, 5, 9, 10, 15, 19)}
    assert [track.images for track in follow(detections, [(0, 10), (10, 20)])] == [[0, 5, 9], [10, 15, 19]]


def test_a_face_that_jumps_is_another_track() -> None:
    detections = {image: seen((100 if image < 10 else 200, 80, 60)) for image in range(0, 21, 5)}
    assert [track.images for track in follow(detections, [(0, 21)])] == [[10, 15, 20], [0, 5]]


@pytest.mark.parametrize(
    ("looked_at", "n_tracks"),
    [pytest.param([0, 5, 10], 1, id="among-three-it-is-a-false-alarm"), pytest.param([0, 1], 2, id="among-two-nobody-can-tell")],
)
def test_a_face_seen_once(looked_at: list[int], n_tracks: int) -> None:
    detections = {image: seen((100, 80, 60)) for image in looked_at}
    detections[looked_at[1]] = seen((100, 80, 60), (300, 200, 50))
    assert len(follow(detections, [(0, looked_at[-1] + 1)])) == n_tracks


def test_a_false_alarm_in_one_shot_leaves_the_short_other_shot_alone() -> None:
    detections = {0: seen((100, 80, 60)), 1: seen((100, 80, 60)), 5: seen((300, 200, 50)), 9: seen((100, 80, 60)), 10: seen((50, 50, 40))}
    assert sorted(track.images for track in follow(detections, [(0, 10), (10, 11)])) == [[0, 1, 9], [10]]


def test_the_better_overlap_continues_the_track_whatever_the_order() -> None:
    detections = {0: seen((100, 80, 60)), 5: seen((120, 80, 60), (103, 80, 60)), 10: seen((121, 80, 60), (106, 80, 60))}
    first, second = follow(detections, [(0, 11)])
    assert [float(marks[0, 0]) for marks in first.landmarks_px] == [100, 103, 106]
    assert [float(marks[0, 0]) for marks in second.landmarks_px] == [120, 121]


@pytest.mark.parametrize(
    ("widths", "order"),
    [
        pytest.param((60, 90), [1, 0], id="larger-first"),
        pytest.param((90, 60), [0, 1], id="larger-first-whatever-the-order"),
    ],
)
def test_the_largest_track_comes_first(widths: tuple[int, int], order: list[int]) -> None:
    xs = (100, 400)
    detections = {image: seen((xs[0], 80, widths[0]), (xs[1], 80, widths[1])) for image in (0, 5, 9)}
    assert [float(track.landmarks_px[0][0, 0]) for track in follow(detections, [(0, 10)])] == [xs[i] for i in order]


def test_a_long_small_track_comes_before_a_short_larger_one() -> None:
    detections = {image: seen((100, 80, 60), (400, 80, 80)) if image < 15 else seen((100, 80, 60)) for image in range(0, 100, 5)}
    assert [track.n_images for track in follow(detections, [(0, 100)])] == [96, 11]


@pytest.mark.parametrize("detections", [{}, {0: no_faces(), 5: no_faces(), 9: no_faces()}], ids=["nothing-looked-at", "nobody-there"])
def test_no_face_no_track(detections: dict[int, Faces]) -> None:
    assert follow(detections, [(0, 10)]) == []


face = st.tuples(st.integers(0, 300), st.integers(0, 200), st.integers(20, 120))


@given(
    pictures=st.lists(st.lists(face, max_size=4, unique=True), min_size=1, max_size=12),
    cut=st.integers(0, 12),
    max_misses=st.integers(0, 3),
)
def test_tracks_share_the_detections_among_them(pictures: list[list[tuple[int, int, int]]], cut: int, max_misses: int) -> None:
    detections = {image: seen(*faces) for image, faces in enumerate(pictures)}
    shots = [(0, min(cut, len(pictures))), (min(cut, len(pictures)), len(pictures))]
    tracks = follow(detections, shots, max_misses=max_misses)
    used = [(image, tuple(box)) for track in tracks for image, box in zip(track.images, track.boxes_px, strict=True)]
    there = [(image, tuple(box)) for image, faces in detections.items() for box in faces.boxes_px]
    assert len(used) == len(set(used)), "a detection is in two tracks"
    assert set(used) <= set(there)
    for track in tracks:
        gaps = np.diff(track.images)
        assert (gaps >= 1).all() and (gaps <= max_misses + 1).all()
        assert any(first <= track.images[0] and track.images[-1] < end for first, end in shots), "a track crosses the cut"
    # Only faces seen once are left out, and only in shots that were looked at three times or more.
    for first, end in shots:
        if end - first < 3:
            assert sum(first <= image < end for image, _ in used) == sum(first <= image < end for image, _ in there)
    assert [track.size for track in tracks] == sorted((track.size for track in tracks), reverse=True)


# --- landmarks for every image ---


@given(
    gaps=st.lists(st.integers(1, 8), max_size=10),
    first=st.integers(0, 100),
    speed=st.tuples(st.floats(-8, 8), st.floats(-8, 8)),
    sigma=st.floats(0, 4),
)
def test_steady_motion_is_kept_exactly_also_at_the_ends(gaps: list[int], first: int, speed: tuple[float, float], sigma: float) -> None:
    images = np.cumsum([first, *gaps])
    start = np.arange(10).reshape(1, 5, 2) * 20.0
    filled = landmarks_per_image(track_of(images.tolist(), start + images[:, None, None] * np.array(speed)), sigma)
    every = np.arange(images[0], images[-1] + 1)
    assert filled.dtype == np.float32
    np.testing.assert_allclose(filled, start + every[:, None, None] * np.array(speed), atol=2e-3)


def test_between_detections_landmarks_are_interpolated() -> None:
    landmarks = np.stack([np.zeros((5, 2)), np.full((5, 2), 8.0), np.full((5, 2), 4.0)])
    filled = landmarks_per_image(track_of([3, 7, 9], landmarks), smooth_images=0)
    np.testing.assert_allclose(filled[:, 2, 1], [0, 2, 4, 6, 8, 6, 4])


def test_between_detections_boxes_are_interpolated() -> None:
    track = track_of([3, 7, 9], np.zeros((3, 5, 2)))
    track.boxes_px = [np.full(4, value, np.float32) for value in (0.0, 8.0, 4.0)]
    filled = boxes_per_image(track, smooth_images=0)
    assert filled.shape == (7, 4)
    np.testing.assert_allclose(filled[:, 1], [0, 2, 4, 6, 8, 6, 4])
    # Boxes are smoothed as landmarks are.
    track.landmarks_px = [np.full((5, 2), value, np.float32) for value in (0.0, 8.0, 4.0)]
    np.testing.assert_allclose(boxes_per_image(track)[:, 0], landmarks_per_image(track)[:, 0, 0])


@pytest.mark.parametrize("sigma", [0.0, 2.0])
@pytest.mark.parametrize("images", [[7], [7, 8]], ids=["one-image", "two-images"])
def test_the_shortest_tracks_are_as_they_were_seen(images: list[int], sigma: float) -> None:
    landmarks = np.random.default_rng(2).normal(100, 20, (len(images), 5, 2)).astype(np.float32)
    np.testing.assert_allclose(landmarks_per_image(track_of(images, landmarks), sigma), landmarks, rtol=1e-6)


def test_smoothing_is_a_gaussian_in_images() -> None:
    landmarks = np.zeros((41, 5, 2))
    landmarks[20] = 1.0
    response = landmarks_per_image(track_of(list(range(41)), landmarks), smooth_images=2.0)[:, 0, 0]
    distance = np.arange(41) - 20
    assert response.sum() == pytest.approx(1.0, abs=1e-6)
    assert np.sqrt((response * distance**2).sum()) == pytest.approx(2.0, abs=0.05)
    np.testing.assert_allclose(response, response[::-1], atol=1e-7)


def test_smoothing_quietens_jitter_and_does_not_shift_it() -> None:
    still = np.random.default_rng(3).normal(100, 1.0, (400, 5, 2))
    smooth = landmarks_per_image(track_of(list(range(400)), still), smooth_images=2.0)
    # A Gaussian of 2 images averages about 2 * sqrt(pi) * 2 = 7 of them: a standard deviation of 0.38.
    assert 0.3 < smooth[10:-10].std() < 0.45
    assert smooth.mean() == pytest.approx(100, abs=0.05)
