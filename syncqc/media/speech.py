"""When there is a voice in the sound, found by silero-vad, a small network whose weights lie in its wheel.

Knows nothing of files or of who speaks. Costs about half a percent of real time on one core.
"""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from syncqc.clock import SOUND_RATE_HZ

F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

CHUNK_SAMPLES = 512
"""The network answers once per 32 ms."""


class SpeechFinder:
    """The voice activity network. Each call starts from a fresh state, so that answers do not depend on what came before."""

    def __init__(self) -> None:
        """Loads the network from silero-vad's wheel; torchaudio is not needed."""
        n_threads = torch.get_num_threads()
        import silero_vad

        torch.set_num_threads(n_threads)  # importing silero_vad sets it to 1 for the whole process
        with warnings.catch_warnings():
            # torch.jit.load is deprecated, but there is no other form of these weights for torch.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._network = silero_vad.load_silero_vad()

    def speech_probability(self, samples: F32) -> F32:
        """The probability (n_chunks,) that there is a voice, one per `CHUNK_SAMPLES` samples of 16 kHz mono.

        Chunk i is samples[512 i : 512 (i + 1)]; the last one is filled up with silence. The first chunks of a call are judged with
        little context: give some sound before what matters.
        """
        chunks = np.zeros((-(-len(samples) // CHUNK_SAMPLES), CHUNK_SAMPLES), np.float32)
        chunks.reshape(-1)[: len(samples)] = samples
        self._network.reset_states()
        with torch.inference_mode():
            answers = [self._network(torch.from_numpy(chunk), SOUND_RATE_HZ).reshape(1) for chunk in chunks]
        return np.asarray(torch.cat(answers).numpy(), np.float32) if answers else np.zeros(0, np.float32)


def is_speech(probability: F32, threshold: float = 0.5, longest_pause_s: float = 0.3, shortest_speech_s: float = 0.1) -> Bools:
    """Per chunk whether there is speech: above `threshold`, pauses between speech closed, then lone blips taken out.

    Silence at the ends is no pause. A blip is speech shorter than `shortest_speech_s` that does not touch an end.
    """
    found = _with_short_runs_turned(probability > threshold, False, longest_pause_s)
    return _with_short_runs_turned(found, True, shortest_speech_s)


def speech_ratio(speech: Bools, first_sample: int, end_sample: int) -> float:
    """The share of samples [first_sample, end_sample) that lies in chunks with speech; sample 0 begins chunk 0.

    Raises:
        ValueError: the stretch is empty or not covered by the chunks.
    """
    if not 0 <= first_sample < end_sample <= len(speech) * CHUNK_SAMPLES:
        raise ValueError(f"samples {first_sample} to {end_sample} are not within {len(speech)} chunks")
    edges = np.clip(np.arange(len(speech) + 1) * CHUNK_SAMPLES, first_sample, end_sample)
    return float(np.diff(edges)[speech].sum() / (end_sample - first_sample))


def _with_short_runs_turned(flags: Bools, value: bool, shorter_than_s: float) -> Bools:
    """The flags with inner runs of `value` that last less than `shorter_than_s` turned into the opposite."""
    turned = flags.copy()
    edges = [0, *(np.flatnonzero(np.diff(flags)) + 1), len(flags)]
    for first, end in pairwise(edges[1:-1]):
        if flags[first] == value and (end - first) * CHUNK_SAMPLES < shorter_than_s * SOUND_RATE_HZ:
            turned[first:end] = not value
    return turned
