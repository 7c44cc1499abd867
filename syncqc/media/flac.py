"""16-bit mono sound as FLAC bytes, and back, sample for sample.

Knows nothing of faces or clips. FLAC and not a lossy codec: what is learnt from the sound is its place in time, and a lossy
codec adds a delay to take off again, a grid of frames that a network can see, and another rate.
"""

from __future__ import annotations

from io import BytesIO

import av
import numpy as np
import numpy.typing as npt

from syncqc.clock import SOUND_RATE_HZ
from syncqc.media.crop_video import DamagedStreamError

I16 = npt.NDArray[np.int16]


def encoded_sound(samples: I16) -> bytes:
    """A FLAC file of the samples (n,), 16 kHz, n at least 1."""
    file = BytesIO()
    # Without the option ffmpeg leaves 8 KB free for a player's notes.
    with av.open(file, "w", format="flac", options={"metadata_header_padding": "0"}) as container:
        stream = container.add_stream("flac", rate=SOUND_RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = SOUND_RATE_HZ, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def decoded_sound(flac: bytes, n_samples: int) -> I16:
    """The samples (n_samples,) of a file that holds exactly so many.

    Raises:
        DamagedStreamError: it cannot be decoded, or holds another number of samples.
    """
    try:
        with av.open(BytesIO(flac), "r", format="flac") as container:
            frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    except (av.error.FFmpegError, IndexError) as error:
        raise DamagedStreamError(f"the sound cannot be decoded ({getattr(error, 'strerror', error)})") from error
    samples = np.concatenate(frames) if frames else np.zeros(0, np.int16)
    if len(samples) != n_samples or samples.dtype != np.int16:
        raise DamagedStreamError(f"{len(samples)} samples can be decoded, not {n_samples}")
    return samples.astype(np.int16, copy=False)
