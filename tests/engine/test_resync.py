from __future__ import annotations

import sys
from pathlib import Path

import pytest

from syncqc.engine.resync import Decided, ResyncSettings, decide, out_paths, tree_path
from syncqc.errors import UsageError
from syncqc.manifest.resync_status import ResyncStatus
from syncqc.manifest.row import Row

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from made_sources import make_manifest, row_of

OUT = Path("/out")


def decided(folder: Path, *rows: Row, settings: ResyncSettings | None = None, **made_with: object) -> list[Decided]:
    manifest = make_manifest(folder / "m.parquet", rows, **made_with)
    return decide(manifest, OUT, settings or ResyncSettings()).clips


@pytest.mark.parametrize(
    ("offset", "more", "status"),
    [
        (0, {}, "in_time"),
        (1, {}, "in_time"),
        (-1, {}, "in_time"),
        (2, {}, "shifted"),
        (-9, {}, "shifted"),
        (5, {"is_offset_drifting": True}, "drifting"),
        (0, {"is_offset_drifting": True}, "drifting"),
        (5, {"clip_probability_in_sync": 0.79}, "unsure"),
        (5, {"clip_probability_in_sync": 0.81}, "shifted"),
        (0, {"clip_probability_in_sync": 0.5}, "unsure"),
        (5, {"clip_probability_in_sync": None}, "unsure"),
        (5, {"is_offset_at_edge": True}, "unsure"),
        (None, {}, "not_measured"),
        (5, {"failure": "no_audio"}, "not_measured"),
    ],
)
def test_a_clip_is_put_right_only_where_its_offset_is_sure(tmp_path: Path, offset: int | None, more: Row, status: str) -> None:
    (clip,) = decided(tmp_path, row_of("a", Path("/src/a.mp4"), offset, **more), source="/src")
    assert clip.status == status
    assert (clip.job is not None) == (status in ("in_time", "shifted"))
    if clip.job is not None:
        assert clip.job.shift_frames == (offset if status == "shifted" else 0)


def test_one_part_inside_the_range_is_enough_against_the_edge(tmp_path: Path) -> None:
    at_edge = row_of("a", Path("/src/a.mp4"), 5, is_offset_at_edge=True)
    (clip,) = decided(tmp_path, at_edge, row_of("a", Path("/src/a.mp4"), 5, part_index=1), source="/src")
    assert clip.status is ResyncStatus.SHIFTED


def test_the_bar_can_be_moved(tmp_path: Path) -> None:
    rows = [row_of("a", Path("/src/a.mp4"), 5, clip_probability_in_sync=0.6)]
    assert decided(tmp_path, *rows, settings=ResyncSettings(min_p=0.5))[0].status is ResyncStatus.SHIFTED


def test_skip_places_nothing_and_virtual_writes_nothing(tmp_path: Path) -> None:
    rows = [row_of("a", Path("/src/a.mp4"), 5), row_of("b", Path("/src/b.mp4"), 0)]
    skipped = decided(tmp_path, *rows, settings=ResyncSettings(skip=True))
    assert [(clip.status, clip.job is None) for clip in skipped] == [("shifted", False), ("in_time", True)]
    virtual = decided(tmp_path, *rows, settings=ResyncSettings(mode="virtual"))
    assert [(clip.status, clip.job) for clip in virtual] == [("virtual", None), ("in_time", None)]


@pytest.mark.parametrize(
    ("clip_id", "path", "expected"),
    [
        ("id1/yt/00001", "/data/id1/yt/00001.mp4", "id1/yt/00001.mp4"),
        ("both.mp4", "/data/both.mp4", "both.mp4"),
        ("a.b", "/data/a.b.mkv", "a.b.mkv"),
        ("named/by/list", "/other/x.avi", "named/by/list.avi"),
    ],
)
def test_the_tree_of_the_source_is_kept(clip_id: str, path: str, expected: str) -> None:
    assert str(tree_path(clip_id, path)) == expected


@pytest.mark.parametrize(
    ("sidecar", "codec", "expected"),
    [
        ("/src/dev/aac/x.m4a", None, "dev/aac/x.m4a"),
        ("/src/dev/wav/x.wav", None, "dev/wav/x.wav"),
        ("/src/dev/wav/x.wav", "aac", "dev/wav/x.m4a"),
        ("/src/dev/aac/x.m4a", "flac", "dev/aac/x.flac"),
        ("/src/dev/mp3/x.mp3", None, "dev/mp3/x.m4a"),
        ("/sounds/x.wav", None, "dev/mp4/x.wav"),
    ],
)
def test_a_sidecar_keeps_its_place_below_the_videos_and_else_lies_beside_its_own(
    tmp_path: Path, sidecar: str, codec: str | None, expected: str
) -> None:
    row = row_of("dev/mp4/x", Path("/src/dev/mp4/x.mp4"), 5, audio_path=sidecar)
    (clip,) = decided(tmp_path, row, settings=ResyncSettings(audio_codec=codec))
    assert clip.job is not None
    assert list(out_paths(clip.job)) == ["/out/dev/mp4/x.mp4", f"/out/{expected}"]


def test_a_sidecar_that_is_only_placed_keeps_its_suffix(tmp_path: Path) -> None:
    (clip,) = decided(tmp_path, row_of("x", Path("/src/x.mp4"), 0, audio_path="/src/x.mp3"))
    assert clip.job is not None
    assert clip.job.out_audio_path == "/out/x.mp3"
    assert not clip.job.is_written


def test_sound_that_clips_share_goes_into_the_video_also_where_it_is_in_time(tmp_path: Path) -> None:
    (clip,) = decided(tmp_path, row_of("x", Path("/src/x.mp4"), 0, audio_path="/sounds/long.m4a", audio_start_s=61.5))
    assert clip.job is not None
    assert (clip.job.out_audio_path, clip.job.audio_start_s, clip.job.is_sound_joined, clip.job.is_written) == (None, 61.5, True, True)


def test_parts_are_cut_where_a_row_was_measured(tmp_path: Path) -> None:
    path = Path("/src/x.mp4")
    rows = [
        row_of("x", path, 7, part_index=0, track_index=0, start_s=0.0, end_s=4.0),
        row_of("x", path, 7, part_index=0, track_index=1, start_s=1.0, end_s=4.8),
        row_of("x", path, None, part_index=1, start_s=4.8, end_s=9.6, clip_offset_frames=7),
        row_of("x", path, 7, part_index=2, start_s=9.6, end_s=14.4),
    ]
    (clip,) = decided(tmp_path, *rows, settings=ResyncSettings(per="part"))
    assert clip.job is not None
    assert [(cut.part_index, cut.start_s, cut.end_s, cut.out_path) for cut in clip.job.cuts] == [
        (0, 0.0, 4.8, "/out/x_part000.mp4"),
        (2, 9.6, 14.4, "/out/x_part002.mp4"),
    ]


@pytest.mark.parametrize(
    ("begun_in", "source", "path", "root", "found"),
    [
        ("data", "data/videos", "videos/x.mp4", None, "data/videos/x.mp4"),
        ("data", "data", "x.mp4", None, "data/x.mp4"),
        ("data", "data/videos", "videos/x.mp4", "else", "else/videos/x.mp4"),
        ("data", "data/videos", "../videos/x.mp4", None, "../videos/x.mp4"),
    ],
)
def test_relative_paths_start_where_the_manifest_was_made_or_where_one_says(
    tmp_path: Path, begun_in: str, source: str, path: str, root: str | None, found: str
) -> None:
    manifest = make_manifest(tmp_path / "m.parquet", [row_of("x", Path(path), 5)], tmp_path / source)
    given = None if root is None else tmp_path / root
    (clip,) = decide(manifest, OUT, ResyncSettings(), given).clips
    assert clip.job is not None
    assert clip.job.path == (found if found.startswith("..") else str(tmp_path / found))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([row_of("a.mp4", Path("/src/a.mp4"), 5), row_of("a", Path("/x/b.mp4"), 5)], "'a.mp4' and 'a' would both be written to /out/a.mp4"),
        ([row_of("../a", Path("/src/a.mp4"), 5)], "'../a' would be written outside of /out"),
        ([row_of("/a", Path("/src/a.mp4"), 5)], "'/a' would be written outside of /out"),
    ],
    ids=["one name", "above", "absolute"],
)
def test_names_that_cannot_be_kept_are_refused(tmp_path: Path, rows: list[Row], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        decided(tmp_path, *rows)


def test_remux_cannot_move_a_sound_that_is_elsewhere(tmp_path: Path) -> None:
    rows = [row_of("x", Path("/src/x.mp4"), 5, audio_path="/src/x.m4a")]
    with pytest.raises(UsageError, match=r"the sound of 'x' is in /src/x\.m4a; use --mode bake"):
        decided(tmp_path, *rows, settings=ResyncSettings(mode="remux"))


def test_an_unfinished_manifest_is_refused(tmp_path: Path) -> None:
    parts = tmp_path / "m.parquet.parts"
    parts.mkdir()
    (parts / "rows-000001.parquet").touch()
    with pytest.raises(UsageError, match=r"m\.parquet is not finished"):
        decided(tmp_path, row_of("x", Path("/src/x.mp4"), 5))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"mode": "bakes"}, "unknown value of --mode 'bakes'; did you mean 'bake'"),
        ({"audio_codec": "mp3"}, "unknown value of --audio-codec 'mp3'"),
        ({"link": "hardlink"}, "--link 'hardlink'; did you mean 'hard'"),
        ({"verify": "some"}, "--verify 'some'"),
        ({"per": "row"}, "--per 'row'"),
        ({"min_p": 1.5}, "--min-p must lie in 0-1, not 1.5"),
        ({"audio_rate_hz": 0}, "--audio-rate must be 1 or more, not 0"),
        ({"per": "part", "mode": "remux"}, "--per part encodes anew"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_settings_refuse_what_they_do_not_know(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        ResyncSettings(**wrong)  # type: ignore[arg-type]


def test_rows_of_a_clip_that_do_not_stand_together_are_refused_with_the_way_out(tmp_path: Path) -> None:
    rows = [row_of("a", Path("/src/a.mp4"), 5), row_of("b", Path("/src/b.mp4"), 5), row_of("a", Path("/src/a.mp4"), 5, part_index=1)]
    with pytest.raises(UsageError, match=r"the rows of 'a' in .* do not stand together; put the manifest in order with `syncqc merge`"):
        decided(tmp_path, *rows, source="/src")
