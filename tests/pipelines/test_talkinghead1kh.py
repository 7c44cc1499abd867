from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from miniature import talkinghead1kh
from seen_by import offset_frames, sound_by_pts

from syncqc.cli.main import main

OFFSET_FRAMES = -4
CHUNK_START_S = 10.8
"""Key frames every 90 images: the second chunk begins with the first one after 8 s."""


@pytest.mark.slow
def test_silent_crops_get_the_sound_that_belongs_to_them(tmp_path: Path) -> None:
    source, out = tmp_path / "th1kh", tmp_path / "clean"
    planted, beside = talkinghead1kh(source, OFFSET_FRAMES)
    given = ["--audio-root", str(beside.sound), "--chunks", str(beside.chunks), "--engine", "local"]
    assert main(["run", "talkinghead1kh", str(source / "cropped_clips"), str(out), *given]) == 0

    scored = pq.read_table(out / "1-scored.parquet").to_pylist()
    repeated, late, right = (one.clip_id for one in planted)
    found = {one.clip_id: {row["clip_offset_frames"] for row in scored if row["clip_id"] == one.clip_id} for one in planted}
    assert all(abs(offset - OFFSET_FRAMES) <= 1 for offsets in found.values() for offset in offsets)
    still_s = {row["clip_id"]: row["frozen_start_s"] for row in scored if row["part_index"] == 0}
    assert still_s == {repeated: pytest.approx(2.0, abs=0.08), late: 0.0, right: 0.0}

    # What is written is in sync with the drawing, at the place of the original that the crop's name tells.
    first_image = {repeated: 0, late: 55, right: 60}
    for one in planted:
        assert one.talk is not None
        written = out / "3-in-sync" / f"{one.clip_id}.mp4"
        begin_s = CHUNK_START_S + first_image[one.clip_id] / 25
        assert abs(offset_frames(sound_by_pts(written), one.talk, begin_s)) <= 1
