"""What coding leaves in the 16 kHz sound, how often uncoded sound is taken for it, and what the headers of real clips say.

    python reports/codec-artefacts/stream.py CLIPS.csv WORK

CLIPS.csv lists clips with the columns path and dataset. The sound of some is written anew by several codecs; that of others is played
15 % faster, so that whatever rhythm its own coding left fits no rate that is looked for, and counts as uncoded. Drawn voices and noise
never were coded.
"""

from __future__ import annotations

import csv
import hashlib
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from syncqc.errors import ClipError
from syncqc.manifest.row import Clip, Row
from syncqc.media.mux import run_ffmpeg
from syncqc.media.probe import probe
from syncqc.media.sound import SoundReader
from syncqc.media.sound_trace import block_rhythm, block_trace
from syncqc.media.synthetic import Talk, sound
from syncqc.stages.part import Part, Sound
from syncqc.stages.sound_traces import SoundTraces

PART = 80_000
LEAST = 40_000
LIMIT = SoundTraces.min_audio_rhythm
N_CODED, N_UNCODED, N_SHOWN, N_PER_SOURCE = 24, 120, 12, 90
N_DRAWN, N_NOISE = 50, 500
FASTER = 1.15
WAYS: dict[str, tuple[int | None, tuple[str, ...], str]] = {
    "FLAC, 44.1 kHz": (None, ("-c:a", "flac", "-ar", "44100"), "flac"),
    "AAC, 44.1 kHz, 32 kbit/s": (44_100, ("-c:a", "aac", "-b:a", "32k", "-ar", "44100"), "m4a"),
    "AAC, 44.1 kHz, 48 kbit/s": (44_100, ("-c:a", "aac", "-b:a", "48k", "-ar", "44100"), "m4a"),
    "AAC, 44.1 kHz, 64 kbit/s": (44_100, ("-c:a", "aac", "-b:a", "64k", "-ar", "44100"), "m4a"),
    "AAC, 44.1 kHz, 128 kbit/s": (44_100, ("-c:a", "aac", "-b:a", "128k", "-ar", "44100"), "m4a"),
    "AAC, 22.05 kHz, 32 kbit/s": (22_050, ("-c:a", "aac", "-b:a", "32k", "-ar", "22050"), "m4a"),
    "AAC, 22.05 kHz, 64 kbit/s": (22_050, ("-c:a", "aac", "-b:a", "64k", "-ar", "22050"), "m4a"),
    "AAC, 16 kHz, 32 kbit/s": (16_000, ("-c:a", "aac", "-b:a", "32k", "-ar", "16000"), "m4a"),
    "AAC, 16 kHz, 64 kbit/s": (16_000, ("-c:a", "aac", "-b:a", "64k", "-ar", "16000"), "m4a"),
    "Opus, 32 kbit/s": (None, ("-c:a", "libopus", "-b:a", "32k"), "ogg"),
    "MP3, 44.1 kHz, 64 kbit/s": (None, ("-c:a", "libmp3lame", "-b:a", "64k", "-ar", "44100"), "mp3"),
}


def parts_of(path: Path, at_most: int = 6) -> Iterator[np.ndarray]:
    """The sound of a file, 5 s at a time from its beginning on."""
    samples, is_present = SoundReader(str(path), Fraction(0)).read(0, at_most * PART)
    samples = samples[: int(is_present.sum())]
    for first in range(0, len(samples) - LEAST + 1, PART):
        yield samples[first : first + PART]


def by_chance(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The clips in an order that has nothing to do with the list's."""
    return sorted(rows, key=lambda row: hashlib.sha256(row["path"].encode()).hexdigest())


def uncoded(rows: list[dict[str, str]], work: Path) -> list[float]:
    """Strengths of the rhythm in sound that is played faster."""
    strengths = []
    for row in rows:
        rate_hz = probe(row["path"]).source_audio_rate_hz or 16_000
        out = work / "faster.wav"
        run_ffmpeg(["-y", "-i", row["path"], "-vn", "-ac", "1", "-af", f"asetrate={round(rate_hz * FASTER)},aresample=16000", str(out)])
        strengths += [rhythm.strength for part in parts_of(out) if (rhythm := block_rhythm(part))]
    return strengths


def never_coded() -> dict[str, list[float]]:
    """Strengths of the rhythm in sound that was made here, 5 s each."""
    voices = [sound(Talk(seed=seed, duration_s=31.0)).astype(np.float32) for seed in range(N_DRAWN)]
    random = np.random.default_rng(0)
    noises = [(0.1 * random.standard_normal(PART)).astype(np.float32) for _ in range(N_NOISE)]
    parts = {"drawn voices": [voice[first : first + PART] for voice in voices for first in range(0, 6 * PART, PART)], "noise": noises}
    return {name: [rhythm.strength for part in found if (rhythm := block_rhythm(part))] for name, found in parts.items()}


def coded(rows: list[dict[str, str]], work: Path) -> None:
    """Prints, for each way to write sound, how often the rhythm and the blocks are found."""
    print("| written as | parts | rhythm, median | `leak_audio` | blocks, median | blocks over 4 |\n|---|---|---|---|---|---|")
    for name, (rate_hz, output, suffix) in WAYS.items():
        strengths, traces = [], []
        for row in rows:
            source, out = work / "source.wav", work / f"coded.{suffix}"
            faster = f"asetrate={round((probe(row['path']).source_audio_rate_hz or 16_000) * FASTER)}"
            run_ffmpeg(["-y", "-t", "12", "-i", row["path"], "-vn", "-ac", "1", "-af", f"{faster},aresample=48000", str(source)])
            run_ffmpeg(["-y", "-i", str(source), *output, str(out)])
            for index, part in enumerate(parts_of(out, 2)):
                rhythm = block_rhythm(part)
                strengths += [rhythm.strength] if rhythm else []
                traces += [trace] if rate_hz and (trace := block_trace(part, -index * PART, rate_hz)) is not None else []
        blocks = f"{statistics.median(traces):.1f} | {100 * np.mean(np.array(traces) > 4):.0f} %" if traces else "not asked | "
        leaks = 100 * np.mean(np.array(strengths) >= LIMIT)
        print(f"| {name} | {len(strengths)} | {statistics.median(strengths):.1f} | {leaks:.0f} % | {blocks} |", flush=True)


def measured(path: str) -> list[Row]:
    """The rows of a clip as the stage fills them, without its pictures."""
    facts = probe(path)
    row = facts.row()
    reader = SoundReader(path, facts.zero_s)
    parts = []
    for first in range(0, int(facts.duration_s * 16_000) - 640, PART):
        n_images = min(PART, int(facts.duration_s * 16_000) - first) // 640
        samples, is_present = reader.read(first, first + 640 * n_images)
        part = Part(Clip(path, path), 0, 1, first // 640, n_images, row=dict(row))
        part.sound = Sound(samples, first, is_present)
        parts.append(part)
    return [part.row for part in SoundTraces()(parts)]


def most(values: list[object]) -> str:
    """The values with their counts, the most frequent first."""
    return ", ".join(f"{value} ({count})" for value, count in Counter(map(str, values)).most_common(3))


def share(values: list[object]) -> str:
    """Share of True among what was measured."""
    known = [value for value in values if value is not None]
    return f"{100 * np.mean([value is True for value in known]):.0f} % of {len(known)}" if known else "not measured"


def middle(values: list[object]) -> str:
    """The median of what was measured."""
    known = [value for value in values if isinstance(value, float)]
    return f"{statistics.median(known):.1f}" if known else "not measured"


def shown(rows: list[dict[str, str]]) -> None:
    """Prints what some clips of each source show."""
    sources = defaultdict(list)
    for row in rows:
        sources[row["dataset"]].append(row["path"])
    print("| source | clips | picture codec | written by | key frames, distance | regular | open | B | sound | kbit/s | priming |")
    print("|---" * 11 + "|")
    heard = []
    for source, paths in sorted(sources.items()):
        clips = [parts for path in paths[:N_SHOWN] if (parts := measured(path))]
        firsts = [clip[0] for clip in clips]

        def column(name: str, of: list[Row] = firsts) -> list[object]:
            return [row.get(name) for row in of]

        codecs = [f"{row['video_codec']} {row['video_profile']}" for row in firsts]
        sounds = [f"{row['audio_codec']} {row['audio_profile']} {row['source_audio_rate_hz']} Hz" for row in firsts]
        # fmt: off
        cells = [
            source, len(clips), most(list(codecs)), most(column("video_encoder")), middle(column("key_frame_gap_frames")),
            share(column("gop_is_regular")), share(column("gop_is_open")), share(column("has_b_frames")), most(list(sounds)),
            middle(column("audio_bit_rate_kbps")), most(column("audio_priming_samples")),
        ]
        # fmt: on
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
        heard.append(as_heard(source, [row for clip in clips for row in clip]))
    print("\n| source | parts | blocks, median | rhythm, median | `leak_audio` | band limit, Hz | clipped over 0.1 % | silent over 10 % |")
    print("|---" * 8 + "|")
    print("\n".join(heard))


def as_heard(source: str, parts: list[Row]) -> str:
    """A line of the table on what is left in the sound."""

    def column(name: str) -> list[object]:
        return [row.get(name) for row in parts]

    def often(name: str, over: float) -> str:
        return f"{100 * np.mean([value > over for value in column(name) if isinstance(value, float)]):.0f} %"

    limits = column("audio_band_limit_hz")
    cells = [
        source,
        len(parts),
        middle(column("audio_block_trace")),
        middle(column("audio_rhythm")),
        share(column("leak_audio")),
        f"{share([limit is not None for limit in limits])}, {middle(limits)}",
        often("clipped_ratio", 1e-3),
        often("digital_silence_ratio", 0.1),
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def main(clips: Path, work: Path) -> None:
    """Prints the tables."""
    work.mkdir(parents=True, exist_ok=True)
    with clips.open(encoding="utf-8", newline="") as file:
        rows = by_chance(list(csv.DictReader(file)))
    of_source: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        of_source[row["dataset"]].append(row)
    few = by_chance([row for source in of_source.values() for row in source[:N_PER_SOURCE]])
    long = [row for row in few if _lasts(row["path"])]
    strengths = never_coded() | {"clips played faster": uncoded(long[:N_UNCODED], work)}
    print(f"| uncoded | parts | `leak_audio` at {LIMIT:g} | the limit for 1 % |\n|---|---|---|---|")
    for name, found in strengths.items():
        n_false = sum(strength >= LIMIT for strength in found)
        print(f"| {name} | {len(found)} | {n_false} ({100 * n_false / len(found):.1f} %) | {np.quantile(found, 0.99):.1f} |", flush=True)
    print()
    coded(long[:N_CODED], work)
    print()
    shown(rows)


def _lasts(path: str) -> bool:
    try:
        return float(probe(path).duration_s) > 3.5
    except ClipError:
        return False


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
