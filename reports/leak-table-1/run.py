"""Table 1 of Iashin et al. (BMVC 2022) where it needs no private data: does the coding of noise and of moving textures tell the time?

    python reports/leak-table-1/run.py WORK [ROW ...]
    python reports/leak-table-1/run.py WORK table       # only writes what is known by now

Row by row: clips are drawn and coded in WORK, and `syncqc leak` is asked. What is in WORK already is not made again, so the same
command goes on where it stopped. After each row results.json and the table in README.md are written beside this file. One thread.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from draw import draw_noise, draw_pictures

from syncqc.cli.main import main as syncqc

HERE = Path(__file__).parent
BEGIN, END = "<!-- the table -->", "<!-- its end -->"
N_CLIPS = 300
SEED = 0
AAC, MP4 = ("-c:a", "aac"), ".mp4"
ASKED = ("--width", "0.25", "--seed", str(SEED), "--patience", "10", "--device", "cpu")
RGB = ("--modality", "rgb", "--own-scale", "--side-px", "96", "--batches", "1000")
AUDIO = ("--modality", "audio", "--own-rate", "--batches", "500")


@dataclass(frozen=True)
class Row:
    """A line of the table: how clips are coded, what is asked of them, and what the paper found."""

    name: str
    paper: tuple[float, float]
    """Accuracy at 1 and at 5, %."""
    suffix: str
    codec: tuple[str, ...]
    rate_hz: int | None = None
    """Of noise; None: pictures."""


ROWS = {
    "aac-44100": Row("AAC @ 44100 Hz", (86.7, 100.0), MP4, AAC, 44_100),
    "mpeg4": Row("MPEG-4 Part 2 (mpeg4)", (27.2, 77.1), MP4, ("-c:v", "mpeg4")),
    "lossless-22050": Row("Lossless @ 22050 Hz", (2.9, 14.6), ".mkv", ("-c:a", "pcm_s16le"), 22_050),
    "prores": Row("ProRes", (2.7, 13.4), ".mov", ("-c:v", "prores")),
    "aac-22050": Row("AAC @ 22050 Hz", (23.0, 74.3), MP4, AAC, 22_050),
    "aac-16000": Row("AAC @ 16000 Hz", (6.3, 19.3), MP4, AAC, 16_000),
    "h264": Row("MPEG-4 Part 10 (H.264)", (2.5, 11.9), MP4, ("-c:v", "libx264")),
}
"""In the order in which they are run."""
ORDER = ("mpeg4", "h264", "prores", "aac-44100", "aac-22050", "aac-16000", "lossless-22050")


def clips_of(key: str, work: Path) -> Path:
    """The folder with the clips of a row."""
    row = ROWS[key]
    folder = work / key / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(N_CLIPS):
        path = folder / f"{seed:04d}{row.suffix}"
        if path.exists():
            continue
        if row.rate_hz is None:
            draw_pictures(path, seed, row.codec)
        else:
            draw_noise(path, seed, row.rate_hz, row.codec)
    return folder


def ask(key: str, work: Path) -> None:
    """The row's test is at WORK/ROW/leak.json."""
    out = work / key / "leak.json"
    if out.exists():
        return
    began, began_cpu = time.monotonic(), time.process_time()
    folder = clips_of(key, work)
    drawn_s = time.monotonic() - began
    kind = RGB if ROWS[key].rate_hz is None else AUDIO
    given = [*kind, *ASKED, "--prepared", str(work / key / "prepared"), "--workers", "1", "--engine", "local"]
    syncqc(["leak", str(folder), *given, "--out", str(out)])
    spent = {"drawing_wall_s": round(drawn_s), "wall_s": round(time.monotonic() - began), "cpu_s": round(time.process_time() - began_cpu)}
    (work / key / "spent.json").write_text(json.dumps(spent))


def publish(work: Path) -> None:
    """results.json and the table in README.md say what is in WORK."""
    results = {}
    for key in ORDER:
        out = work / key / "leak.json"
        if out.exists():
            about = json.loads(out.read_text(encoding="utf-8"))
            spent = work / key / "spent.json"
            results[key] = {
                "paper": dict(zip(("at_1", "at_5"), ROWS[key].paper, strict=True)),
                "coded_with": " ".join(ROWS[key].codec),
                "n_clips": N_CLIPS,
                "spent": json.loads(spent.read_text()) if spent.exists() else None,
                "settings": about["settings"],
                "made_with": about["made_with"],
                "found": about["found"],
            }
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    page = HERE / "README.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{table(results)}{END}{rest.partition(END)[2]}", encoding="utf-8")


def table(results: dict[str, dict]) -> str:
    """The rows beside the paper's."""
    lines = [
        "| coding | paper, at 1 / at 5 | here, at 1 (95 %) | at 5 (95 %) | comb of errors (95 %) | says | batches | time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key in ORDER:
        row, one = ROWS[key], results.get(key)
        paper = f"{row.paper[0]:.1f} / {row.paper[1]:.1f}"
        if one is None:
            lines.append(f"| {row.name} | {paper} | not run | | | | | |")
            continue
        found = one["found"]
        at_1, at_5 = (f"{100 * a['value']:.1f} ({100 * a['interval95'][0]:.1f}-{100 * a['interval95'][1]:.1f})" for a in found["accuracy"].values())
        comb = "" if found["comb"] is None else "{:+.2f} ({:+.2f} to {:+.2f})".format(found["comb"]["value"], *found["comb"]["interval95"])
        spent = one["spent"]
        minutes = "" if spent is None else f"{spent['wall_s'] / 60:.0f} min ({spent['cpu_s'] / 60:.0f} of a core)"
        lines.append(f"| {row.name} | {paper} | {at_1} | {at_5} | {comb} | {found['verdict']} | {found['learnt']['n_batches']} | {minutes} |")
    return "\n".join(lines) + "\n"


def main(work: Path, keys: list[str]) -> None:
    """Runs the rows that are named, or all, and publishes after each."""
    import torch

    torch.set_num_threads(1)
    for key in [] if keys == ["table"] else keys or ROWS:
        ask(key, work)
        publish(work)
    publish(work)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
