"""The goals on 28 clips that took no part in any choice: fourteen of First Impressions, of other speakers, and fourteen of TalkVid.

    python reports/codec-artefacts/apart.py make CLIPS WORK [I/N]    # codes them and looks for periods; N processes share the clips
    python reports/codec-artefacts/apart.py tables WORK
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import ghosts  # noqa: E402

from syncqc.stages.find_ghosts import JudgeGhosts  # noqa: E402

N_PER_SOURCE = 14
LENGTHS = (100, 150)
GROUPS = {
    "MPEG-4 at ffmpeg's default, now or before one or two H.264 passes": ("m4", "m4_h18", "m4_h23", "m4_h18_h23"),
    "MPEG-4 at `-q:v 5`, now or before one H.264 pass": ("m4q5", "m4q5_h23"),
    "neither (H.264 at CRF 23, MJPEG, lossless)": ("orig", "h23", "mjpeg"),
}


def make(clips: Path, work: Path, first: int, step: int) -> None:
    """WORK/found-FIRST.jsonl holds what is found in every way of every STEP-th clip, from FIRST on."""
    chosen = {row["file"] for _, row in ghosts.bases(clips)}
    speakers = {row["speaker"] for _, row in ghosts.bases(clips)}
    rows = [row for row in csv.DictReader((clips / "index.csv").open()) if row["speaker"] not in speakers and row["file"] not in chosen]
    own = [row for row in rows if row["source"] == "first-impressions" and row["split"] == "train" and float(row["duration_s"]) >= 6]
    wild = [row for row in rows if row["source"] == "talkvid" and float(row["duration_s"]) >= 5]
    new = [row for pair in zip(own[:N_PER_SOURCE], wild[:N_PER_SOURCE], strict=True) for row in pair][first::step]
    ghosts.bases = lambda _: [("N", row) for row in new]
    wanted = {way for ways in GROUPS.values() for way in ways}
    ghosts.WAYS = {way: how for way, how in ghosts.WAYS.items() if way in wanted}
    ghosts.make(clips, work, slice(None))
    with (work / f"found-{first}.jsonl").open("w") as out:
        for row in new:
            for path in sorted((work / "v").glob(f"N_{Path(row['file']).stem}__*")):
                for found in ghosts.looked_at(path, LENGTHS):
                    out.write(json.dumps({"file": path.name, **found}) + "\n")


def tables(work: Path) -> None:
    """Prints, for each goal, how many files are flagged, in how many the period is 12, and the clips that are missed."""
    found = [json.loads(line) for path in sorted(work.glob("found*.jsonl")) for line in path.read_text().splitlines()]
    print("| coded as | files of 4 and 6 s | flagged | period 12, of those |\n|---|---|---|---|")
    for words, ways in GROUPS.items():
        of_ways = [one for one in found if way_of(one) in ways]
        flagged = [one for one in of_ways if one["p"] <= JudgeGhosts.max_p_value]
        exact = sum(one["period"] == 12 for one in flagged)
        print(f"| {words} | {len(of_ways)} | {len(flagged)} ({100 * len(flagged) / len(of_ways):.1f} %) | {exact} |")
    missed = Counter(
        one["file"].split("__")[0] for one in found if way_of(one) in next(iter(GROUPS.values())) and one["p"] > JudgeGhosts.max_p_value
    )
    print("\nMissed at the default: " + (", ".join(f"{name} ({count})" for name, count in missed.most_common()) or "none"))


def way_of(one: dict[str, Any]) -> str:
    """How the file was coded."""
    return str(one["file"].rsplit(".", 1)[0].split("__")[1])


def main(what: str, *arguments: str) -> None:
    """Does one of the two things."""
    if what == "tables":
        tables(Path(arguments[0]))
        return
    first, step = (int(piece) for piece in arguments[2].split("/")) if len(arguments) > 2 else (0, 1)
    make(Path(arguments[0]), Path(arguments[1]), first, step)


if __name__ == "__main__":
    main(*sys.argv[1:])
