"""What two kinds of reader see of a file: those that go by time stamps, and those that count pictures and samples."""

from __future__ import annotations

import hashlib
import wave
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve

from syncqc.clock import SAMPLES_PER_IMAGE, SOUND_RATE_HZ
from syncqc.media.mux import run_ffmpeg
from syncqc.media.synthetic import Talk, sound

F64 = npt.NDArray[np.float64]
_SEARCHED = 20 * SAMPLES_PER_IMAGE


def sound_by_pts(path: Path, zero_s: Fraction | None = None) -> F64:
    """Samples from the first picture on, each block of sound placed where its time stamp says; mono at the file's own rate."""
    with av.open(str(path)) as container:
        begin_s = zero_s if zero_s is not None else next(Fraction(f.pts) * f.time_base for f in container.decode(video=0))
    out = np.zeros(60 * SOUND_RATE_HZ)
    end = 0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            assert frame.sample_rate == SOUND_RATE_HZ
            first = round((frame.pts * frame.time_base - begin_s) * SOUND_RATE_HZ)
            samples = frame.to_ndarray().astype(np.float64).mean(axis=0)
            lost = max(0, -first)
            out[first + lost : first + len(samples)] = samples[lost:]
            end = max(end, first + len(samples))
    return out[:end]


def sound_by_index(path: Path, folder: Path) -> F64:
    """Samples as they come out of ``ffmpeg -i x -vn x.wav``, the first one taken for time 0."""
    extracted = folder / f"{hashlib.sha256(str(path).encode()).hexdigest()[:12]}.wav"
    run_ffmpeg(["-i", str(path), "-vn", str(extracted)])
    with wave.open(str(extracted)) as file:
        assert file.getframerate() == SOUND_RATE_HZ
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())[:, 0] / 32768


def pictures_by_index(path: Path) -> list[npt.NDArray[np.uint8]]:
    """Pictures as OpenCV counts them, small and grey."""
    capture = cv2.VideoCapture(str(path))
    pictures = []
    while True:
        is_there, picture = capture.read()
        if not is_there:
            return pictures
        pictures.append(cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (32, 32), interpolation=cv2.INTER_AREA))


def offset_frames(heard: F64, drawn: Talk, from_s: float = 0.0) -> float:
    """By how many images the sound is early, as the drawn voice tells; the pictures' time 0 is `from_s` of the drawing."""
    in_sync = Talk(**{**vars(drawn), "offset_frames": 0})
    begin = round(from_s * SOUND_RATE_HZ)
    spoken = sound(in_sync)[begin : begin + len(heard)]
    heard = heard[: len(spoken)]
    scores = fftconvolve(heard, spoken[::-1])[len(spoken) - 1 - _SEARCHED : len(spoken) + _SEARCHED]
    # heard[n] = spoken[n + offset]: a sound that comes early lies at a negative lag.
    return -(int(np.argmax(scores)) - _SEARCHED) / SAMPLES_PER_IMAGE


def packets_hash(path: Path) -> str:
    """The coded pictures of a file, in their order, without what the container says of them."""
    found = hashlib.sha256()
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                found.update(bytes(packet))
    return found.hexdigest()


def tree_hash(root: Path) -> dict[str, str]:
    """Every file under `root` and the hash of its content."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(root.rglob("*")) if path.is_file()
    }
