"""Whether the sound that `syncqc resync` writes tells where in the file it was cut from.

    python reports/aac-leak/run.py WORK

Noise is written by each codec as `resync` writes it and decoded; a trim of it begins at one of 50 times, 0.1 s apart; from the trim
alone two guess which: a convolutional network on its log-spectrogram, and one who knows the codec and looks for the MDCT grid.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import av
import numpy as np
import torch
from torch import nn

from syncqc.media.mux import feed_ffmpeg
from syncqc.media.resync_coding import DEFAULT_BIT_RATE_KBPS, Coding

N_CLASSES = 50
GRID_S = 0.1
TRIM_SAMPLES = 16 * 1024
CLIP_S = 8
N_TRAIN, N_TEST = 60, 20
TRAIN_S = 50
"""Of one core, for each codec."""
BATCH = 64
N_JUDGED_NETWORK, N_JUDGED_GRID = 2000, 300
CODINGS = {
    "flac, 16 kHz": ("flac", 16_000),
    "AAC, 16 kHz (the default)": ("aac", 16_000),
    "AAC, 22.05 kHz": ("aac", 22_050),
    "AAC, 44.1 kHz": ("aac", 44_100),
    "Opus, 48 kHz": ("opus", 48_000),
}


def coded(codec: str, rate_hz: int, seed: int, work: Path) -> np.ndarray:
    """Decoded samples (n,) of noise that was written and read back."""
    coding = Coding(codec, rate_hz, 1, DEFAULT_BIT_RATE_KBPS.get(codec))
    noise = 0.1 * np.random.default_rng(seed).standard_normal((CLIP_S * rate_hz // 1024 * 1024, 1)).astype(np.float32)
    path = work / "noise.mka"
    feed_ffmpeg([*coding.input_arguments("pipe:0"), *coding.output_arguments(), "-threads", "1", str(path)], coding.fed(iter([noise])))
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
    with av.open(str(path)) as container:
        blocks = [block for frame in container.decode(audio=0) for block in resampler.resample(frame)] + resampler.resample(None)
    return np.concatenate([block.to_ndarray()[0] for block in blocks])


def trims(clips: np.ndarray, rate_hz: int, n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Trims (n, samples) and where they begin (n,), in tenths of a second."""
    starts = random.integers(0, N_CLASSES, n)
    which = random.integers(0, len(clips), n)
    first = np.round((1 + starts) * GRID_S * rate_hz).astype(int)
    return np.stack([clips[c][f : f + TRIM_SAMPLES] for c, f in zip(which, first, strict=True)]), starts


class Guesser(nn.Module):
    """Where a trim (n, samples) begins, as 50 logits, from its log-spectrogram: windows of 256 samples every 128."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(256))
        self.bands = nn.Sequential(
            nn.BatchNorm1d(129), nn.Conv1d(129, 64, 3, padding=1), nn.BatchNorm1d(64), nn.ReLU(),
            nn.Conv1d(64, 48, 9, padding=4), nn.BatchNorm1d(48), nn.ReLU(),
        )  # fmt: skip
        self.times = nn.Linear(48 * 129, N_CLASSES)

    def forward(self, trim: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(trim, 256, 128, window=self.window, return_complex=True).abs()
        return self.times(self.bands((spectrum + 1e-5).log()).flatten(1))


def by_network(train: np.ndarray, test: np.ndarray, rate_hz: int) -> np.ndarray:
    """For each judged trim the rank of the right start among the guesses, 0 the first."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    network = Guesser()
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    began = time.process_time()
    n_steps = 0
    while time.process_time() - began < TRAIN_S:
        given, starts = trims(train, rate_hz, BATCH, random)
        loss = nn.functional.cross_entropy(network(torch.from_numpy(given)), torch.from_numpy(starts))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        n_steps += 1
    print(f"{n_steps} steps", file=sys.stderr)
    network.eval()
    ranks = []
    with torch.inference_mode():
        for _ in range(N_JUDGED_NETWORK // BATCH):
            given, starts = trims(test, rate_hz, BATCH, random)
            ranks.append(ranks_of(network(torch.from_numpy(given)).numpy(), starts, random))
    return np.concatenate(ranks)


def by_grid(test: np.ndarray, rate_hz: int) -> np.ndarray:
    """The same for one who takes, for each start in question, the MDCT where AAC's blocks would lie: in the right place much is zero."""
    random = np.random.default_rng(1)
    given, starts = trims(test, rate_hz, N_JUDGED_GRID, random)
    first = np.round((1 + np.arange(N_CLASSES)) * GRID_S * rate_hz).astype(int)
    scores = np.stack([[emptiness(trim, int(-f) % 1024) for f in first] for trim in given])
    return ranks_of(scores, starts, random)


_N = 1024
_N0 = (_N / 2 + 0.5) / (2 * _N)
_TURN = np.exp(-1j * np.pi * np.arange(2 * _N) / (2 * _N))
_LAST = np.exp(-2j * np.pi * (np.arange(_N) + 0.5) * _N0)
_SINE = np.sin(np.pi * (np.arange(2 * _N) + 0.5) / (2 * _N))
_KBD = np.sqrt(np.cumsum(np.kaiser(_N + 1, 4 * np.pi))[:_N] / np.kaiser(_N + 1, 4 * np.pi).sum())
WINDOWS = (_SINE, np.concatenate([_KBD, _KBD[::-1]]))


def emptiness(trim: np.ndarray, first: int) -> float:
    """How empty the MDCT of the blocks that begin at `first` is: minus the mean logarithm of its values, of the emptier window."""
    n = (len(trim) - first) // _N - 1
    blocks = np.stack([trim[first + i * _N : first + (i + 2) * _N] for i in range(n)]).astype(np.float64)
    found = []
    for window in WINDOWS:
        mdct = (np.fft.fft(blocks * window * _TURN, axis=1)[:, :_N] * _LAST).real
        found.append(-np.log(np.abs(mdct) + 1e-4).mean())
    return max(found)


def ranks_of(scores: np.ndarray, starts: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The rank of each right start; equal ones are drawn by lot."""
    lot = np.argsort(-(scores + 1e-9 * random.standard_normal(scores.shape)), axis=1)
    return np.argmax(lot == starts[:, None], axis=1)


def main(work: Path) -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    work.mkdir(parents=True, exist_ok=True)
    print("| written as | network, first guess | among five | who knows the grid, first guess | among five |\n|---|---|---|---|---|")
    for name, (codec, rate_hz) in CODINGS.items():
        clips = [coded(codec, rate_hz, seed, work) for seed in range(N_TRAIN + N_TEST)]
        both = np.stack([clip[: min(map(len, clips))] for clip in clips])
        ranks = by_network(both[:N_TRAIN], both[N_TRAIN:], rate_hz), by_grid(both[N_TRAIN:], rate_hz)
        cells = [f"{100 * (rank < n).mean():.1f}%" for rank in ranks for n in (1, 5)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
