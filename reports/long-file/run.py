"""Scores a 10 s and a 30 min file made of one clip, and watches time and memory of every process. Prints the report in Markdown.

Linux only (it reads /proc). The ratio is against ffmpeg decoding the same file on one thread, run right before.

    python reports/long-file/run.py CLIP WORK > reports/long-file/README.md
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from syncqc.media.mux import ffmpeg_binary

LENGTHS_S = (10, 1800)


def main(clip: Path, work: Path) -> None:
    """Prints the report."""
    work.mkdir(parents=True, exist_ok=True)
    print(
        "# A long file\n\nMade by `python reports/long-file/run.py CLIP WORK`: one clip repeated, scored by `syncqc score`, local engine.\n"
    )
    print("| length | rows | last row ends | offsets | wall | x real time | wall / ffmpeg decoding | reader, peak | main process, peak |")
    print("|---|---|---|---|---|---|---|---|---|")
    for length_s in LENGTHS_S:
        video = work / f"{length_s}.mp4"
        coded = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "28", "-c:a", "aac"]
        ffmpeg("-y", "-stream_loop", "-1", "-i", str(clip), "-t", str(length_s), *coded, str(video))
        decode_s = decoding_s(video)
        out = work / f"{length_s}.parquet"
        began = time.monotonic()
        peaks_mb = watched([sys.executable, "-m", "syncqc", "score", str(video), "--out", str(out), "--restart", "--engine", "local"])
        wall_s = time.monotonic() - began
        rows = pq.read_table(out, columns=["end_s", "offset_frames"]).to_pylist()
        offsets = sorted({row["offset_frames"] for row in rows if row["offset_frames"] is not None})
        print(
            f"| {length_s} s | {len(rows)} | {max(row['end_s'] for row in rows):g} s | {', '.join(f'{o:+d}' for o in offsets)} | {wall_s:.0f} s | "
            f"{length_s / wall_s:.1f} | {wall_s / decode_s:.1f} | {peaks_mb['reader']:.0f} MB | {peaks_mb['main']:.0f} MB |"
        )


def ffmpeg(*arguments: str) -> None:
    """ffmpeg has done it."""
    subprocess.run([ffmpeg_binary(), "-v", "error", *arguments], check=True)


def decoding_s(video: Path) -> float:
    """Seconds that ffmpeg takes to decode the file on one thread."""
    began = time.monotonic()
    ffmpeg("-threads", "1", "-i", str(video), "-f", "null", "-")
    return time.monotonic() - began


def watched(command: list[str]) -> dict[str, float]:
    """The largest resident memory, in MB, of the main process and of a reading process, looked at four times a second."""
    peaks = {"main": 0.0, "reader": 0.0}
    with subprocess.Popen(command, stdout=sys.stderr) as main_process:
        while main_process.poll() is None:
            for status in Path("/proc").glob("[0-9]*/status"):
                try:
                    fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
                    is_reader = "reader_process" in (status.parent / "cmdline").read_text()
                except OSError:
                    continue
                pid, parent = int(fields["Pid"]), int(fields["PPid"])
                kind = "main" if pid == main_process.pid else "reader" if is_reader and parent == main_process.pid else None
                if kind and "VmHWM" in fields:
                    peaks[kind] = max(peaks[kind], int(fields["VmHWM"].split()[0]) * 1024 / 1e6)
            time.sleep(0.25)
    if main_process.returncode:
        raise SystemExit(f"syncqc score ended with {main_process.returncode}")
    return peaks


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
