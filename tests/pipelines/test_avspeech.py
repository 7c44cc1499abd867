from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from miniature import avspeech
from seen_by import offset_frames, packets_hash, sound_by_index, sound_by_pts

from syncqc.cli.main import main


@pytest.mark.slow
def test_the_listed_face_is_judged_and_what_is_kept_comes_out_in_sync(tmp_path: Path) -> None:
    source, out = tmp_path / "avspeech", tmp_path / "clean"
    planted = avspeech(source)
    given = ["--segments", str(source / "avspeech_train.csv"), "--engine", "local"]
    assert main(["run", "avspeech", str(source / "clips"), str(out), *given]) == 0

    scored = {(row["clip_id"], row["track_index"]): row for row in pq.read_table(out / "1-scored.parquet").to_pylist()}
    beside_listener, alone, foreign, unlisted = (one.clip_id for one in planted)
    # The listener's face is larger, so it is track 0; the csv points at the other one.
    assert [scored[beside_listener, track]["is_listed_face"] for track in (0, 1)] == [False, True]
    assert [scored[beside_listener, track]["is_chosen_track"] for track in (0, 1)] == [False, True]
    assert scored[alone, 0]["is_listed_face"] is True
    assert (scored[unlisted, 0]["is_listed_face"], scored[unlisted, 0]["listed_face_x"]) == (None, None)

    kept = {row["clip_id"] for row in pq.read_table(out / "2-kept.parquet").to_pylist()}
    assert kept == {beside_listener, alone, unlisted}
    assert not (out / "3-in-sync" / f"{foreign}.mp4").exists()
    for one in planted:
        if not one.is_good:
            continue
        assert one.talk is not None
        written = out / "3-in-sync" / f"{one.clip_id}.mp4"
        assert abs(offset_frames(sound_by_pts(written), one.talk)) <= 1
        assert abs(offset_frames(sound_by_index(written, tmp_path), one.talk)) <= 1
        assert packets_hash(written) == packets_hash(source / "clips" / f"{one.clip_id}.mp4")
