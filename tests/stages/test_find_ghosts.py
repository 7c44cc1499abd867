"""Ghosts through the stage, part by part, and the judgement of whole clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from syncqc.errors import Failure
from syncqc.manifest.row import Clip, Row
from syncqc.media.mux import run_ffmpeg
from syncqc.media.synthetic import Talk, draw
from syncqc.stages.find_ghosts import PARTS_TOGETHER, FindGhosts, JudgeGhosts
from syncqc.stages.part import Part
from syncqc.stages.read import ReadClip

GHOST = ("ghost_period_frames", "ghost_strength", "ghost_p_value")


def pictures(n: int, refreshed_every: int = 12, first_image: int = 0, strength: float = 3.0) -> np.ndarray:
    """A still scene under noise; the noise that stays is drawn anew every so many images, as a key frame does."""
    images = []
    for i in range(first_image, first_image + n):
        stays = np.random.default_rng(i // refreshed_every).normal(0, strength, (48, 64, 1))
        comes = np.random.default_rng(10_000 + i).normal(0, 1.0, (48, 64, 1))
        images.append(np.clip(128 + stays + comes, 0, 255).astype(np.uint8).repeat(3, axis=2))
    return np.stack(images)


def part_of(images: np.ndarray | None, index: int = 0, first_image: int = 0, clip_id: str = "a", **row: object) -> Part:
    part = Part(Clip(clip_id, "a.mp4"), index, 3, first_image, 0 if images is None else len(images), images=images)
    part.row = {"source_fps": 25.0, "is_vfr": False, **row}
    return part


def test_a_planted_ghost_is_found_with_its_period() -> None:
    (part,) = FindGhosts()([part_of(pictures(100))])
    assert part.row["ghost_period_frames"] == 12
    assert part.row["ghost_p_value"] < 1e-3  # type: ignore[operator]
    assert part.row["ghost_strength"] > 5  # type: ignore[operator]
    assert part.row["repeated_share"] == 0


def test_a_still_scene_without_key_frames_has_none() -> None:
    (part,) = FindGhosts()([part_of(pictures(100, strength=0.0))])
    assert part.row["ghost_p_value"] > 0.01  # type: ignore[operator]


def test_parts_that_are_too_short_alone_are_judged_together() -> None:
    stage = FindGhosts()
    p_values = []
    for index in range(4):
        (part,) = stage([part_of(pictures(36, first_image=36 * index), index, 36 * index)])
        p_values.append(part.row["ghost_p_value"])
    assert part.row["ghost_period_frames"] == 12
    assert p_values[-1] < 1e-3 < p_values[0]


def test_a_new_clip_starts_afresh_and_so_does_a_new_minute() -> None:
    alone = FindGhosts()([part_of(pictures(60))])[0].row
    stage = FindGhosts()
    stage([part_of(pictures(100, 7), clip_id="b")])
    assert stage([part_of(pictures(60))])[0].row == alone
    stage([part_of(pictures(100, 7, first_image=300), PARTS_TOGETHER - 1, 300)])
    later = stage([part_of(pictures(100, 12, first_image=400), PARTS_TOGETHER, 400)])[0].row
    assert later["ghost_period_frames"] == 12


def test_uneven_pictures_are_folded_by_images_and_have_no_repeats() -> None:
    (part,) = FindGhosts()([part_of(pictures(100), is_vfr=True, source_fps=29.0)])
    assert part.row["ghost_period_frames"] == 12
    assert part.row["repeated_share"] is None


def test_a_part_that_failed_or_is_too_short_has_no_numbers() -> None:
    failed, short = part_of(None), part_of(pictures(20))
    failed.fail(Failure.UNREADABLE, "broken")
    FindGhosts()([failed, short])
    assert set(failed.row) & {*GHOST, "repeated_share"} == set()
    assert set(short.row) & set(GHOST) == set()
    assert short.row["repeated_share"] == 0


def row(part_index: int = 0, p: float | None = 0.5, period: float = 12.0, **more: object) -> Row:
    found: Row = {} if p is None else {"ghost_p_value": p, "ghost_period_frames": period}
    return {"part_index": part_index, "video_codec": "h264", **found, **more}


@pytest.mark.parametrize(
    ("rows", "is_leaking", "reason"),
    [
        pytest.param([row()], False, None, id="nothing"),
        pytest.param([row(0, 0.001), row(1, 0.5)], False, None, id="a first part does not speak for its minute"),
        pytest.param(
            [row(0, 0.5), row(1, 0.0004)],
            True,
            "something comes back every 12 pictures (p = 0.0004): the trace of an earlier coding",
            id="ghost",
        ),
        pytest.param([row(0, 0.004), row(12, 0.5), row(24, 0.9)], False, None, id="one of three minutes, not enough"),
        pytest.param(
            [row(0, 0.5), row(12, 0.0004, 12.5), row(24, 0.9)],
            True,
            "something comes back every 12.5 pictures (p = 0.001): the trace of an earlier coding",
            id="one of three minutes",
        ),
        pytest.param(
            [row(0, 0.0004, gop_is_regular=True, key_frame_gap_frames=12.0)],
            True,
            "something comes back every 12 pictures (p = 0.0004): the file's own key frames, every 12 pictures",
            id="its own key frames",
        ),
        pytest.param([row(0, 0.5, gop_is_regular=True, key_frame_gap_frames=50.0)], False, None, id="H.264's key frames do not show"),
        pytest.param(
            [row(0, None, video_codec="mpeg4", gop_is_regular=True, key_frame_gap_frames=12.0)],
            True,
            "the file is mpeg4 with a key frame every 12 pictures",
            id="MPEG-4",
        ),
        pytest.param(
            [row(0, 0.5, video_codec="mpeg4", gop_is_regular=False, key_frame_gap_frames=90.0)], False, None, id="MPEG-4 by scene"
        ),
        pytest.param(
            [row(0, 0.5, video_codec="mjpeg", gop_is_regular=True, key_frame_gap_frames=1.0)], False, None, id="every picture by itself"
        ),
        pytest.param([row(0, None), row(1, None)], None, "fewer than 25 images could be compared", id="not measured"),
    ],
)
def test_the_judgement_of_a_clip_stands_in_all_its_rows(rows: list[Row], is_leaking: bool | None, reason: str | None) -> None:
    judged = JudgeGhosts()(rows)
    assert [(one["leak_video"], one["leak_video_reason"]) for one in judged] == [(is_leaking, reason)] * len(rows)
    assert [{name: one[name] for name in before} for one, before in zip(judged, rows, strict=True)] == rows


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn clip under a little grain, lossless: what a camera gives."""
    folder = tmp_path_factory.mktemp("drawn")
    draw(Talk(seed=3, duration_s=5.0, width_px=192, height_px=192), folder / "drawn.mp4")
    grain = ["-vf", "noise=alls=2:allf=t", "-c:v", "ffv1", "-c:a", "copy"]
    run_ffmpeg(["-i", str(folder / "drawn.mp4"), *grain, str(folder / "grain.mkv")])
    return folder / "grain.mkv"


MPEG4, H264 = ("-c:v", "mpeg4"), ("-c:v", "libx264", "-crf", "23")


@pytest.mark.parametrize(
    ("codings", "is_leaking", "reason"),
    [
        pytest.param((H264,), False, None, id="H.264"),
        pytest.param((MPEG4,), True, "the file is mpeg4 with a key frame every 12 pictures", id="MPEG-4"),
        pytest.param((MPEG4, H264), True, "something comes back every 12 pictures", id="MPEG-4 then H.264"),
    ],
)
def test_what_ffmpeg_coded(drawn: Path, codings: tuple[tuple[str, ...], ...], is_leaking: bool, reason: str | None, tmp_path: Path) -> None:
    path = drawn
    for i, coding in enumerate(codings):
        run_ffmpeg(["-i", str(path), *coding, "-threads", "1", "-c:a", "aac", str(tmp_path / f"{i}.mp4")])
        path = tmp_path / f"{i}.mp4"
    stage = FindGhosts()
    rows = [done for part in ReadClip()(Clip("a", str(path))) for done in stage([part])[0].rows()]
    for judged in JudgeGhosts()(rows):
        assert judged["leak_video"] is is_leaking
        assert str(judged["leak_video_reason"]).startswith(str(reason))
