"""How much of what `syncqc leak` is given says where a trim begins, to one who only draws straight lines. Prints Markdown.

    python reports/leak-table-1/linear.py WORK      # WORK of run.py, with the rows aac-44100 and mpeg4 prepared

Sound: the log-spectrogram folded by AAC's block of 1024 samples, by windows of several lengths, and a linear discriminant; learnt from
70 clips, judged on 20. Pictures: the mean size of the change from image to image, and a linear classifier; 240 clips and 60.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from syncqc.train.leak_data import Start, open_starts

BLOCK, N_BANDS, N_STARTS = 1024, 16, 50


def folded(samples: np.ndarray, window: int, hop: int) -> torch.Tensor:
    """How loud each band is in each place of the block, less its mean."""
    sound = torch.from_numpy(samples.astype(np.float32) / 32768)
    spectrum = torch.stft(sound, window, hop, window=torch.hann_window(window), center=False, return_complex=True)
    bands = torch.log(spectrum.abs()[1:] + 1e-4).reshape(N_BANDS, -1, spectrum.shape[-1]).mean(1)
    per = BLOCK // hop
    places = bands[:, : bands.shape[1] // per * per].reshape(N_BANDS, -1, per).mean(1)
    return (places - places.mean(1, keepdim=True)).flatten()


def by_sound(starts: Sequence[Start], window: int, hop: int, n_learnt: int) -> tuple[float, float]:
    """Accuracy at 1 and at 5 of a linear discriminant on clips from `n_learnt` on."""
    given = torch.stack([folded(start.samples(step, N_STARTS), window, hop) for start in starts for step in range(N_STARTS)])
    steps = torch.arange(N_STARTS).repeat(len(starts))
    n = n_learnt * N_STARTS
    means = torch.stack([given[:n][steps[:n] == step].mean(0) for step in range(N_STARTS)])
    rest = given[:n] - means[steps[:n]]
    inverse = torch.linalg.inv(rest.T @ rest / n + 1e-9 * torch.eye(given.shape[1]))
    return accuracies(given[n:] @ inverse @ means.T - 0.5 * ((means @ inverse) * means).sum(1), steps[n:])


def by_pictures(starts: Sequence[Start], n_learnt: int) -> tuple[float, float]:
    """The same of a linear classifier of the mean changes, learnt by Adam."""
    rows = []
    for start in starts:
        grey = start.pictures[:, ::2, ::2].astype(np.float32).mean(-1)
        change = np.log1p(np.abs(np.diff(grey, axis=0))).mean((1, 2))
        cut = np.stack([change[step : step + N_STARTS - 1] for step in range(N_STARTS)])
        rows.append((cut - cut.mean(1, keepdims=True)) / cut.std(1, keepdims=True))
    given, steps, n = torch.from_numpy(np.concatenate(rows)), torch.arange(N_STARTS).repeat(len(starts)), n_learnt * N_STARTS
    linear = torch.nn.Linear(N_STARTS - 1, N_STARTS)
    torch.nn.init.zeros_(linear.weight)
    optimiser = torch.optim.Adam(linear.parameters(), 0.03)
    for _ in range(300):
        loss = torch.nn.functional.cross_entropy(linear(given[:n]), steps[:n])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return accuracies(linear(given[n:]), steps[n:])


def accuracies(scores: torch.Tensor, steps: torch.Tensor) -> tuple[float, float]:
    """At 1 and at 5."""
    best = scores.topk(5).indices == steps[:, None]
    return float(best[:, 0].float().mean()), float(best.any(1).float().mean())


def main(work: Path) -> None:
    """Prints the table."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print("| what is given | at 1 | at 5 |\n|---|---|---|")
    sound = open_starts(work / "aac-44100" / "prepared")[:90]
    for window, hop in ((512, 256), (1024, 256), (2048, 256)):
        one, five = by_sound(sound, window, hop, 70)
        print(f"| AAC @ 44100 Hz, windows of {window} samples every {hop} | {one:.1%} | {five:.1%} |", flush=True)
    one, five = by_pictures(open_starts(work / "mpeg4" / "prepared"), 240)
    print(f"| mpeg4, mean changes | {one:.1%} | {five:.1%} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
