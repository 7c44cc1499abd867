"""Moves the sound of real clips by whole images and asks ``syncqc score`` by how much the offset moves.

Everything goes through the command line, files included: the sound of each clip is written as PCM, moved by s/25 s, and handed to
``syncqc score --audio-root``. Prints the report in Markdown.

    python reports/moved-sound/run.py CLIPS WORK > reports/moved-sound/README.md
"""

from __future__ import annotations

import subprocess
import sys
import wave
from pathlib import Path

import pyarrow.parquet as pq

from syncqc.datasets.folder import list_clips
from syncqc.media.mux import ffmpeg_binary

MOVES = (-9, -5, 0, 5, 9)
"""Images by which the sound comes earlier; below 0: later."""
RATE_HZ = 16_000
MIN_CLIP_S = 3.0
Key = tuple[str, int, int]


def main(clips: Path, work: Path) -> None:
    """Prints the report."""
    for clip in list_clips(clips).clips:
        plain = work / "plain.wav"
        plain.parent.mkdir(parents=True, exist_ok=True)
        to_wave = ["-vn", "-ac", "1", "-ar", str(RATE_HZ), str(plain)]
        subprocess.run([ffmpeg_binary(), "-v", "error", "-y", "-i", clip.path, *to_wave], check=True)
        for move in MOVES:
            write_moved(plain, work / f"{move:+d}" / f"{clip.clip_id}.wav", move)
    manifests = {move: work / f"{move:+d}.parquet" for move in MOVES}
    for move, manifest in manifests.items():
        command = [sys.executable, "-m", "syncqc", "score", str(clips), "--audio-root", str(work / f"{move:+d}"), "--out", str(manifest)]
        subprocess.run(command, check=True, stdout=sys.stderr)
    report({move: rows_of(manifest) for move, manifest in manifests.items()})


def write_moved(plain: Path, out: Path, move: int) -> None:
    """`plain` with its samples `move` images earlier, silence where there is no sound any more, the same length."""
    with wave.open(str(plain), "rb") as source:
        samples = source.readframes(source.getnframes())
    n = 2 * abs(move) * RATE_HZ // 25
    moved = samples[n:] + bytes(n) if move > 0 else bytes(n) + samples[: len(samples) - n]
    out.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(out), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(RATE_HZ)
        target.writeframes(moved)


def rows_of(manifest: Path) -> dict[Key, dict[str, object]]:
    """The chosen rows of clips of at least 3 s with voice, by clip, part and track."""
    rows = pq.read_table(manifest).to_pylist()
    return {
        (row["clip_id"], row["part_index"], row["track_index"]): row
        for row in rows
        if row["is_chosen_track"] and row["duration_s"] >= MIN_CLIP_S and row["speech_ratio"] > 0
    }


def report(by_move: dict[int, dict[Key, dict[str, object]]]) -> None:
    """The tables: over all, and by length of the row."""
    print("# The sound of real clips, moved\n")
    print("Made by `python reports/moved-sound/run.py CLIPS WORK`: `syncqc score` on clips whose sound was")
    print("moved by whole images as PCM. Right is an offset that moves by as much, ± 1, in the chosen rows of clips of at least 3 s.\n")
    still = by_move[0]
    print("| moved by | rows | right | clips | right |\n|---|---|---|---|---|")
    for move in sorted(set(by_move) - {0}):
        rows = pairs(still, by_move[move], move, "offset_frames")
        clips = {key[0]: hit for key, hit in pairs(still, by_move[move], move, "clip_offset_frames").items()}
        print(f"| {move:+d} | {len(rows)} | {share(list(rows.values()))} | {len(clips)} | {share(list(clips.values()))} |")
    print("\n| length of the row | rows and moves | right |\n|---|---|---|")
    for low, high in ((0, 1.5), (1.5, 2.5), (2.5, 3.5), (3.5, 5.1)):
        hits = [
            hit
            for move in set(by_move) - {0}
            for key, hit in pairs(still, by_move[move], move, "offset_frames").items()
            if low <= float(str(still[key]["end_s"])) - float(str(still[key]["start_s"])) < high
        ]
        if hits:
            print(f"| {low} to {high} s | {len(hits)} | {share(hits)} |")


def pairs(still: dict[Key, dict[str, object]], moved: dict[Key, dict[str, object]], move: int, column: str) -> dict[Key, bool]:
    """Whether the column moved by `move` within 1, for every row that is measured with the sound in place; lost rows count as wrong."""
    hits = {}
    for key, row in still.items():
        if row[column] is not None:
            after = moved[key][column] if key in moved else None
            hits[key] = after is not None and abs(int(str(after)) - int(str(row[column])) - move) <= 1
    return hits


def share(hits: list[bool]) -> str:
    """The share of true ones in per cent."""
    return f"{sum(hits) / len(hits):.1%}" if hits else "-"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
