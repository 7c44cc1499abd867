"""VoxCeleb2, AVSpeech and TalkingHead-1KH in small: drawn clips under the names and in the folders of the real sets, faults included.

What is true of each clip is said by a `Planted`. Sound is placed to the sample, so that a file can be checked without any network.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from syncqc.media.mux import run_ffmpeg
from syncqc.media.synthetic import Talk, draw

OFFSETS = (-12, -9, -5, -2, 0, 1, 3, 7, 12)
YTID = "aB-c_DeF0-_"
SIDE_PX = 224


@dataclass(frozen=True)
class Planted:
    """A clip of the miniature: what was drawn, and whether a perfect tool would keep it."""

    clip_id: str
    talk: Talk | None
    """None: no video at all."""
    is_good: bool


def talk(seed: int, offset_frames: int = 0, duration_s: float = 5.0, **how: object) -> Talk:
    """A talking head in the size of VoxCeleb2."""
    size = {"width_px": SIDE_PX, "height_px": SIDE_PX} | how
    return Talk(seed=seed, duration_s=duration_s, offset_frames=offset_frames, **size)  # type: ignore[arg-type]


def voxceleb2(root: Path, *, has_sidecars: bool = False, offsets: tuple[int, ...] = OFFSETS) -> list[Planted]:
    """VoxCeleb2 under `root`: planted offsets, foreign sound, silence, broken files; file names repeat from speaker to speaker.

    With `has_sidecars` the sound lies in ``aac/`` and the videos have none.
    """
    planted = [Planted(f"dev/mp4/id{i:05d}/{YTID}/00001", talk(i, offset), is_good=True) for i, offset in enumerate(offsets)]
    for one in planted:
        assert one.talk is not None
        _voxceleb_clip(root, one.clip_id, one.talk, has_sidecars)
        _voxceleb_text(root, one.clip_id, one.talk.offset_frames)
    foreign = Planted(f"dev/mp4/id00000/{YTID}/00002", talk(9, offscreen_s=(0.0, 5.0)), is_good=False)
    silent = Planted(f"dev/mp4/id00001/{YTID}/00002", talk(10, is_silent=True), is_good=False)
    for bad in (foreign, silent):
        assert bad.talk is not None
        _voxceleb_clip(root, bad.clip_id, bad.talk, has_sidecars)
    text = Planted(f"dev/mp4/id00002/{YTID}/00002", None, is_good=False)
    for broken in (text.clip_id, f"dev/mp4/id00003/{YTID}/00002"):
        (root / f"{broken}.mp4").parent.mkdir(parents=True, exist_ok=True)
    (root / f"{text.clip_id}.mp4").write_text("no video")
    cut = Planted(f"dev/mp4/id00003/{YTID}/00002", None, is_good=False)
    whole = (root / f"{planted[0].clip_id}.mp4").read_bytes()
    (root / f"{cut.clip_id}.mp4").write_bytes(whole[: len(whole) // 2])
    (root / f"dev/mp4/id00003/{YTID}/._00001.mp4").write_bytes(bytes(16))
    return [*planted, foreign, silent, text, cut]


def _voxceleb_clip(root: Path, clip_id: str, drawn: Talk, has_sidecars: bool) -> None:
    path = root / f"{clip_id}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not has_sidecars:
        draw(drawn, path)
        return
    both = path.with_name("both.mp4")
    draw(drawn, both)
    sound = root / f"{clip_id.replace('/mp4/', '/aac/')}.m4a"
    sound.parent.mkdir(parents=True, exist_ok=True)
    run_ffmpeg(["-i", str(both), "-an", "-c", "copy", str(path)])
    run_ffmpeg(["-i", str(both), "-vn", "-c", "copy", str(sound)])
    both.unlink()


def _voxceleb_text(root: Path, clip_id: str, offset_frames: int) -> None:
    text = root / f"{clip_id.replace('/mp4/', '/txt/')}.txt"
    text.parent.mkdir(parents=True, exist_ok=True)
    speaker = clip_id.split("/")[2]
    lines = [
        f"Identity  : \t{speaker}",
        f"Reference : \t{YTID}",
        f"Offset    : \t{offset_frames}",
        "FV Conf   : \t19.4\t(1)",
        "ASD Conf  : \t5.2",
    ]
    text.write_text("\n".join([*lines, "", "FRAME \tX \tY \tW \tH ", "000001 \t0.3 \t0.1 \t0.2 \t0.4 "]) + "\n")


def avspeech(root: Path) -> list[Planted]:
    """AVSpeech under `root` with its csv: a talker beside a larger listener, a clip that nobody listed, foreign sound."""
    clips = root / "clips"
    clips.mkdir(parents=True)
    lines: list[tuple[str, float, float, float, float]] = []
    planted = []
    for i, (drawn, face_x, is_good) in enumerate(
        (
            (talk(3, 2, has_listener=True, width_px=2 * SIDE_PX), 0.25, True),
            (talk(2, -7), 0.5, True),
            (talk(9, offscreen_s=(0.0, 5.0)), 0.5, False),
            (talk(5, 1), None, True),
        )
    ):
        start_s = 10.0 * i + 0.5
        name = f"{YTID}_{start_s:010.6f}-{start_s + drawn.duration_s:010.6f}"
        draw(drawn, clips / f"{name}.mp4")
        planted.append(Planted(name, drawn, is_good))
        if face_x is not None:
            lines.append((YTID, start_s, start_s + drawn.duration_s, face_x, 0.4))
    with (root / "avspeech_train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("another-id_", 1.0, 4.0, 0.5, 0.5), *lines])
    return planted


@dataclass(frozen=True)
class Chunks:
    """What belongs to TalkingHead-1KH but is not in its folder of clips."""

    sound: Path
    chunks: Path


def talkinghead1kh(root: Path, offset_frames: int = -4) -> tuple[list[Planted], Chunks]:
    """TalkingHead-1KH under `root`: one original of 20 s cut into silent chunks at key frames; three clips of the second chunk.

    The first begins with repeated images, the second begins late, the third at once.
    """
    cropped, chunks, sound = root / "cropped_clips", root / "split_videos", root / "audio"
    for folder in (cropped, chunks, sound):
        folder.mkdir(parents=True)
    drawn = talk(3, offset_frames, duration_s=20.0)
    original = root / "original.mp4"
    draw(drawn, original)
    keyed = root / "keyed.mp4"
    run_ffmpeg(
        ["-i", str(original), "-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-g", "90", "-sc_threshold", "0", str(keyed)]
    )
    run_ffmpeg(["-i", str(original), "-vn", "-c:a", "copy", str(sound / f"{YTID}.m4a")])
    run_ffmpeg(["-i", str(keyed), "-c", "copy", "-f", "segment", "-segment_time", "8", str(chunks / f"{YTID}_%04d.mp4")])
    chunk, first, end = str(chunks / f"{YTID}_0001.mp4"), 50, 175
    encoder = ["-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", "18"]
    # As the set's own script crops them, with a constant rate or without; and without the fault of both.
    ways = (("", ["-vsync", "cfr"]), ("", []), (",setpts=PTS-STARTPTS", []))
    planted = []
    for i, (further, rate) in enumerate(ways):
        begin = first + 5 * i
        name = f"{YTID}_0001_S{begin}_E{end}_L0_T0_R{SIDE_PX}_B{SIDE_PX}"
        cut = f"trim=start_frame={begin}:end_frame={end}{further}"
        run_ffmpeg(["-i", chunk, "-vf", cut, *encoder, *rate, str(cropped / f"{name}.mp4")])
        planted.append(Planted(name, drawn, is_good=True))
    for scaffold in (original, keyed):
        scaffold.unlink()
    return planted, Chunks(sound, chunks)
