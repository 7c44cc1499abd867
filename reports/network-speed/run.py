"""How fast a network alone is, in seconds of video per second: 32 windows and their sound at a time, the median of 15 rounds.

    python reports/network-speed/run.py MODEL N_THREADS
"""

from __future__ import annotations

import sys
import time
from statistics import median

import torch

from syncqc.clock import IMAGE_RATE_HZ, N_MEL_BANDS, WINDOW_IMAGES, WINDOW_MEL
from syncqc.nets.checkpoint import load

N_WINDOWS = 32
N_ROUNDS = 15


def main(model: str, n_threads: int) -> None:
    """Prints one line."""
    torch.set_num_threads(n_threads)
    net = load(model)
    images = torch.rand(N_WINDOWS, 3 * WINDOW_IMAGES, net.crop_height_px, net.crop_width_px)
    mel = torch.rand(N_WINDOWS, 1, WINDOW_MEL, N_MEL_BANDS)
    took_s = []
    with torch.inference_mode():
        for _ in range(N_ROUNDS + 3):
            began = time.perf_counter()
            net.network.embed_video(images)
            net.network.embed_audio(mel)
            took_s.append(time.perf_counter() - began)
    print(f"{model}, {n_threads} threads: {N_WINDOWS / IMAGE_RATE_HZ / median(took_s[3:]):.0f} x real time")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
