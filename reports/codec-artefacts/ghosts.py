"""Is an earlier coding's key-frame rhythm found in pictures, and is nothing found where there was none? Prints tables in Markdown.

    python reports/codec-artefacts/ghosts.py make CLIPS WORK      # 6 s of 50 clips, each coded in 23 ways (ffmpeg with libx264, libvpx)
    python reports/codec-artefacts/ghosts.py measure WORK         # what is found goes to WORK/found.jsonl
    python reports/codec-artefacts/ghosts.py as-found CLIPS WORK  # the clips as they are, to WORK/as_found.jsonl
    python reports/codec-artefacts/ghosts.py tables WORK

CLIPS holds index.csv with file, source, split, speaker, duration_s. Half of the clips (A) are for choosing, half (B) for judging; what
is there already is not made again. `make` and `measure` take I/N as a last argument: only every N-th clip.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from syncqc.clock import cut_into_parts
from syncqc.media.ghost import block_changes, change_trace, repeated_share
from syncqc.media.ghost_period import find_period
from syncqc.media.mux import run_ffmpeg
from syncqc.media.probe import probe
from syncqc.media.video import read_images
from syncqc.stages.find_ghosts import JudgeGhosts

LENGTHS = (50, 75, 100, 125, 150)
"""Images; 150 are two parts of 75, searched as one."""
ONE = ("-threads", "1")
FACE = "crop=ih*0.7:ih*0.7:iw*0.25:ih*0.1,scale=224:224"


def h264(crf: int, *more: str) -> tuple[str, ...]:
    """Arguments for libx264."""
    return (*more, "-c:v", "libx264", "-crf", str(crf), *ONE)


MPEG4 = ("-c:v", "mpeg4", *ONE)
# name: (made from, suffix, arguments); in order
WAYS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "m4": ("orig", "mp4", MPEG4),
    "m4_h23": ("m4", "mp4", h264(23)),
    "m4_h18": ("m4", "mp4", h264(18)),
    "m4_h18_h23": ("m4_h18", "mp4", h264(23)),
    "m4_r25_h23": ("m4", "mp4", h264(23, "-r", "25")),
    "m4_small_h23": ("m4", "mp4", h264(23, "-vf", "scale=360:-2")),
    "m4_crop_h23": ("m4", "mp4", h264(23, "-vf", FACE)),
    "m4q5": ("orig", "mp4", ("-q:v", "5", *MPEG4)),
    "m4q5_h18": ("m4q5", "mp4", h264(18)),
    "m4q5_h23": ("m4q5", "mp4", h264(23)),
    "m1q4": ("orig", "mpg", ("-r", "25", "-c:v", "mpeg1video", "-b:v", "600k", "-g", "12", *ONE)),
    "m1_h23": ("m1q4", "mp4", h264(23)),
    "xv": ("orig", "avi", (*MPEG4, "-vtag", "xvid", "-bf", "2", "-q:v", "4", "-g", "50", "-sc_threshold", "1000000000")),
    "xv_h23": ("xv", "mp4", h264(23)),
    "hg12": ("orig", "mp4", h264(23, "-g", "12", "-keyint_min", "12", "-sc_threshold", "0")),
    "h18": ("orig", "mp4", h264(18)),
    "h18_h23": ("h18", "mp4", h264(23)),
    "h23": ("orig", "mp4", h264(23)),
    "mjpeg": ("orig", "mkv", ("-c:v", "mjpeg", "-q:v", "3", *ONE)),
    "r25_h23": ("orig", "mp4", h264(23, "-r", "25")),
    "small_h23": ("orig", "mp4", h264(23, "-vf", "scale=360:-2")),
    "crop_h23": ("orig", "mp4", h264(23, "-vf", FACE)),
    "vp9": ("orig", "webm", ("-c:v", "libvpx-vp9", "-crf", "33", "-b:v", "0", "-deadline", "realtime", "-cpu-used", "8", *ONE)),
}
IN_WORDS = {
    "orig": "the clip's own pictures, lossless (FFV1)", "m4": "MPEG-4 Part 2 at ffmpeg's default", "m4_h23": "then H.264, CRF 23",
    "m4_h18": "then H.264, CRF 18", "m4_h18_h23": "then H.264 twice, CRF 18 and 23", "m4_r25_h23": "then 25 fps, CRF 23",
    "m4_small_h23": "then 360 px wide, CRF 23", "m4_crop_h23": "then a face of 224 px, CRF 23", "m4q5": "MPEG-4 Part 2, -q:v 5",
    "m4q5_h18": "then H.264, CRF 18", "m4q5_h23": "then H.264, CRF 23", "m1q4": "MPEG-1, 600 kbit/s, a key frame every 12",
    "m1_h23": "then H.264, CRF 23", "xv": "MPEG-4 Part 2 with B-frames, a key frame every 50", "xv_h23": "then H.264, CRF 23",
    "hg12": "H.264 forced to a key frame every 12", "h18": "H.264, CRF 18", "h18_h23": "H.264 twice, CRF 18 and 23", "h23": "H.264, CRF 23",
    "mjpeg": "MJPEG", "r25_h23": "25 fps, H.264, CRF 23", "small_h23": "360 px wide, H.264, CRF 23",
    "crop_h23": "a face of 224 px, H.264, CRF 23", "vp9": "VP9, realtime",
}  # fmt: skip
CLEAN = ("orig", "mjpeg", "h23", "h18", "h18_h23", "r25_h23", "small_h23", "crop_h23")
GHOSTS = ("m4", "m4_h18", "m4_h23", "m4_h18_h23", "m4_r25_h23", "m4_small_h23", "m4_crop_h23", "m4q5", "m4q5_h18", "m4q5_h23",
          "m1q4", "m1_h23", "xv", "xv_h23", "hg12", "vp9")  # fmt: skip


def bases(clips: Path) -> list[tuple[str, dict[str, str]]]:
    """50 clips, each with its half: A and B share no speaker, and B has a source that A has not."""
    rows = list(csv.DictReader((clips / "index.csv").open()))

    def pick(source: str, split: str, n: int, at_least_s: float = 5.9) -> list[dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for row in rows:
            if (row["source"], row["split"]) == (source, split) and float(row["duration_s"]) >= at_least_s:
                found.setdefault(row["file" if source == "sarcasm" else "speaker"], row)
        few = list(found.values())
        random.Random(0).shuffle(few)
        return few[:n]

    own, series, court = pick("first-impressions", "train", 14), pick("sarcasm", "train", 8), pick("trial", "train", 8)
    half_a = own + series[:5] + court[:4]
    half_b = pick("first-impressions", "dev", 10) + pick("talkvid", "dev", 10, 5) + series[5:] + court[4:]
    return [("A", row) for row in half_a] + [("B", row) for row in half_b]


def make(clips: Path, work: Path, which: slice) -> None:
    """Every clip in every way, in WORK/v."""
    (work / "v").mkdir(parents=True, exist_ok=True)
    for half, row in bases(clips)[which]:
        name = f"{half}_{Path(row['file']).stem}"
        start = "0.5" if float(row["duration_s"]) > 6.6 else "0"
        paths = {way: work / "v" / f"{name}__{way}.{suffix}" for way, (_, suffix, _) in WAYS.items()}
        paths["orig"] = work / "v" / f"{name}__orig.mkv"
        if not paths["orig"].exists():
            run_ffmpeg(["-ss", start, "-t", "6", "-i", str(clips / row["file"]), "-an", "-c:v", "ffv1", *ONE, str(paths["orig"])])
        for way, (source, _, arguments) in WAYS.items():
            if not paths[way].exists():
                run_ffmpeg(["-i", str(paths[source]), "-an", *arguments, str(paths[way])])


def looked_at(path: Path, lengths: Iterable[int]) -> Iterator[dict[str, Any]]:
    """What is found in the first images of a file, for each of these numbers of images, as `syncqc score` would."""
    facts = probe(str(path))
    fps = 25.0 if facts.is_vfr or abs((facts.source_fps or 25) - 25) < 0.06 else float(facts.source_fps or 25)
    images = np.stack([image for image, _ in zip(read_images(str(path), facts), range(max(lengths)), strict=False)])
    changes, _ = block_changes(images, 0)
    for n in lengths:
        cut = changes[:n]
        edges = cut_into_parts(len(cut))
        ghost = find_period(np.concatenate([change_trace(cut[a:b], a, fps) for a, b in edges]), np.arange(len(cut)), fps)
        if ghost is not None:
            yield {
                "n": n, "n_images": len(cut), "fps": fps, "period": ghost.period_frames, "strength": ghost.strength, "p": ghost.p_value,
                "repeated": repeated_share(cut, 0, fps), "vfr": facts.is_vfr,
            }  # fmt: skip


def measure(work: Path, which: slice) -> None:
    """One line per file and length is added to WORK/found.jsonl."""
    out = work / "found.jsonl"
    done = {json.loads(line)["file"] for line in out.read_text().splitlines()} if out.exists() else set()
    for path in sorted((work / "v").iterdir())[which]:
        if path.name not in done and path.suffix != ".txt":
            lines = [json.dumps({"file": path.name, **found}) for found in looked_at(path, LENGTHS)]
            with out.open("a") as file:
                file.write("".join(f"{line}\n" for line in lines))


def as_found(clips: Path, work: Path) -> None:
    """The clips of CLIPS of at least 2.9 s, their first 20 s, as they are; of one speaker's 200 clips every fourth."""
    rows = [row for row in csv.DictReader((clips / "index.csv").open()) if float(row["duration_s"]) >= 2.9]
    rows = [row for i, row in enumerate(rows) if row["source"] != "grid-s1" or i % 4 == 0]
    with (work / "as_found.jsonl").open("w") as file:
        for row in rows:
            for found in looked_at(clips / row["file"], (500,)):
                file.write(json.dumps({"file": row["file"], "source": row["source"], **found}) + "\n")


def tables(work: Path) -> None:
    """Prints the tables."""
    found = [json.loads(line) for line in (work / "found.jsonl").read_text().splitlines()]
    for one in found:
        one["base"], one["way"] = one["file"].rsplit(".", 1)[0].split("__")
    limit = JudgeGhosts.max_p_value
    # What stands out in 20 s of the clip as it came was there before: how it was coded nobody knows.
    before = [json.loads(line) for line in (work / "as_found.jsonl").read_text().splitlines()]
    names = {Path(one["file"]).stem: one["period"] for one in before if one["p"] <= limit / 10}
    marked = {one["base"]: names[one["base"][2:]] for one in found if one["base"][2:] in names}
    said = ", ".join(f"{base} ({period:g})" for base, period in sorted(marked.items()))
    print(f"Left out: clips in whose first 20 s, as they came, a period was found (p <= {limit / 10:g}): {said or 'none'}\n")
    every, found = found, [one for one in found if one["base"] not in marked]
    clean = [one for one in found if one["way"] in CLEAN]
    print("| clean ways | half | files | p <= 0.1 | p <= 0.01 | p <= 0.001 | flagged |\n|---|---|---|---|---|---|---|")
    for half in "AB":
        for n in LENGTHS:
            p = np.array([one["p"] for one in clean if one["base"][0] == half and one["n"] == n])
            shares = " | ".join(f"{100 * np.mean(p <= at):.1f} %" for at in (0.1, 0.01, 0.001, limit))
            print(f"| {n / 25:g} s | {half} | {len(p)} | {shares} |")
    print("\n| way | " + " | ".join(f"{n / 25:g} s" for n in LENGTHS) + " | period | strength, median (5 %) |\n|---" + "|---" * 7 + "|")
    for way in (*GHOSTS, *CLEAN):
        _row(way, [one for one in found if one["way"] == way and one["base"][0] == "B"])
    in_all = [one for one in every if one["way"] in ("m4_h18", "m4_h23", "m4_h18_h23") and one["n"] >= 100 and one["base"][0] == "B"]
    print(f"\nWith them, MPEG-4 then H.264, 4-6 s: {100 * np.mean([one['p'] <= limit for one in in_all]):.1f} % found of {len(in_all)}")
    _goals(found)
    _as_found(before)


def _goals(found: list[dict[str, Any]]) -> None:
    """The figures in one line each: clips of half B, 4-6 s."""
    limit = JudgeGhosts.max_p_value
    for words, ways in (
        ("MPEG-4 at ffmpeg's default, now or before one or two H.264 passes", ("m4", "m4_h18", "m4_h23", "m4_h18_h23")),
        ("MPEG-4 at -q:v 5, now or before one H.264 pass", ("m4q5", "m4q5_h18", "m4q5_h23")),
    ):
        of_ways = [one for one in found if one["way"] in ways and one["n"] >= 100 and one["base"][0] == "B"]
        hits = [one for one in of_ways if one["p"] <= limit]
        exact = 100 * np.mean([one["period"] == 12 for one in hits])
        share = 100 * len(hits) / len(of_ways)
        print(f"\n{words}: {len(hits)} of {len(of_ways)} found ({share:.1f} %), period 12 in {exact:.1f} % of those")


def _row(way: str, of_way: list[dict[str, Any]]) -> None:
    limit, cells = JudgeGhosts.max_p_value, []
    for n in LENGTHS:
        p = np.array([one["p"] for one in of_way if one["n"] == n])
        cells.append(f"{100 * np.mean(p <= limit):.0f}" if len(p) else "")
    longest = [one for one in of_way if one["n"] == 150]
    flagged = [one["period"] for one in longest if one["p"] <= limit]
    periods = ", ".join(f"{period:g} ({count})" for period, count in Counter(flagged).most_common(3))
    low, middle = np.quantile([one["strength"] for one in longest], [0.05, 0.5])
    print(f"| {IN_WORDS[way]} | " + " | ".join(cells) + f" | {periods} | {middle:.1f} ({low:.1f}) |")


def _as_found(found: list[dict[str, Any]]) -> None:
    print("\n| source | clips | flagged | periods | repeats in over 2 % of the images |\n|---|---|---|---|---|")
    for source in sorted({one["source"] for one in found}):
        of_source = [one for one in found if one["source"] == source]
        flagged = [one["period"] for one in of_source if one["p"] <= JudgeGhosts.max_p_value]
        periods = ", ".join(f"{period:g} ({count})" for period, count in Counter(flagged).most_common(6))
        repeats = sum(one["repeated"] is not None and one["repeated"] > 0.02 for one in of_source if not one["vfr"])
        print(f"| {source} | {len(of_source)} | {len(flagged)} | {periods} | {repeats} |")


def main(what: str, *arguments: str) -> None:
    """Does one of the four things."""
    which = slice(None)
    if "/" in arguments[-1] and all(piece.isdigit() for piece in arguments[-1].split("/")):
        first, step = arguments[-1].split("/")
        which, arguments = slice(int(first), None, int(step)), arguments[:-1]
    places = [Path(argument) for argument in arguments]
    if what == "make":
        make(places[0], places[1], which)
    elif what == "measure":
        measure(places[0], which)
    elif what == "as-found":
        as_found(places[0], places[1])
    else:
        tables(places[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
