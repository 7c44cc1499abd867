"""Small clips with a flash and a beep that lie a known number of images apart, and manifests that say so, made without a network.

The readers here are those of people who never look at a timestamp: OpenCV and a WAV file.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import wave
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq

from syncqc.manifest import store
from syncqc.manifest.row import Row
from syncqc.media.mux import Encoding, Pictures, SoundTrack, ffmpeg_binary, write_clip, write_wav

FLASH_IMAGE = 25
RATE_HZ = 16_000


def beep(offset_frames: int, duration_s: float = 2.0) -> SoundTrack:
    """A hum, and a beep that begins `offset_frames` images before the flash."""
    n = round(duration_s * RATE_HZ)
    samples = 0.01 * np.sin(2 * np.pi * 110 * np.arange(n) / RATE_HZ)
    first = (FLASH_IMAGE - offset_frames) * RATE_HZ // 25
    samples[first : first + 1600] += 0.5 * np.sin(2 * np.pi * 1000 * np.arange(1600) / RATE_HZ)
    return SoundTrack(samples, RATE_HZ)


def make_clip(path: Path, offset_frames: int | None, duration_s: float = 2.0) -> Path:
    """A clip whose sound is early by so much (None: no sound); the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = (np.full((48, 64, 3), 255 if FLASH_IMAGE <= k < FLASH_IMAGE + 3 else 16, np.uint8) for k in range(round(duration_s * 25)))
    sound = None if offset_frames is None else beep(offset_frames, duration_s)
    write_clip(path, Pictures(images, 64, 48, Fraction(25)), sound, Encoding("h264", "aac" if path.suffix == ".mp4" else "pcm"))
    return path


def make_wav(path: Path, offset_frames: int) -> Path:
    """The sound of such a clip as a file of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, beep(offset_frames))
    return path


def row_of(clip_id: str, path: Path, offset_frames: int | None, **more: object) -> Row:
    """A measured row of a clip whose only part is confident; `more` overrides."""
    measured: Row = {
        "offset_frames": offset_frames, "clip_offset_frames": offset_frames, "clip_probability_in_sync": 0.99, "is_offset_drifting": False,
        "is_offset_at_edge": False,
    }  # fmt: skip
    if offset_frames is None:
        measured = {"failure": "no_face", "detail": "no face on 10 images looked at"}
    times: Row = {"part_index": 0, "n_parts": 1, "track_index": 0, "start_s": 0.0, "end_s": 2.0, "duration_s": 2.0}
    return {"clip_id": clip_id, "path": str(path), **times, **measured, **more}


def make_manifest(path: Path, rows: Iterable[Row], source: Path | None = None, **settings: object) -> Path:
    """A manifest as `syncqc score` leaves it."""
    settings = {**settings, **({} if source is None else {"source": str(source)})}
    table = store.table_of(rows)
    metadata = {**table.schema.metadata} if table.schema.metadata else {}
    made_by = json.dumps({"schema_version": 2, "settings": settings}).encode()
    pq.write_table(table.replace_schema_metadata({**metadata, store.PROVENANCE_KEY: made_by}), path)
    return path


def heard_early(path: Path, sound: Path | None = None) -> float:
    """By how many images the beep comes before the flash, counted in pictures and samples."""
    wav = path.with_name(f"{path.name}.heard.wav")
    command = [ffmpeg_binary(), "-y", "-v", "error", "-i", str(sound or path), "-vn", "-ac", "1", "-ar", str(RATE_HZ), str(wav)]
    subprocess.run(command, check=True)
    with wave.open(str(wav), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float) / 32768
    wav.unlink()
    loud = np.abs(samples) > 0.2
    capture = cv2.VideoCapture(str(path))
    flash = next(k for k in range(200) if capture.read()[1].mean() > 128)
    capture.release()
    return flash - float(np.flatnonzero(loud)[0]) / RATE_HZ * 25


def tree_of(folder: Path) -> dict[str, str]:
    """Every file below the folder and the hash of its bytes; of a link, where it points."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or path.is_file():
            what = path.readlink().as_posix().encode() if path.is_symlink() else path.read_bytes()
            found[str(path.relative_to(folder))] = hashlib.sha256(what).hexdigest()
    return found
