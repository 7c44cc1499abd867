"""The one place where time and its sign are said; everything else imports them from here.

Knows nothing: no file, no picture, no library.

::

    seconds   0        0.04     0.08     0.12     0.16     0.20
    images    |   0    |   1    |   2    |   3    |   4    |   5 ...     image k is the frame on show at k/25 s
    samples   0        640      1280     1920     2560     3200          16 kHz
    mel       0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 ...      column k is centred on sample 200 k

Zero is the first image shown. A visual window j is images j ... j+4 and speaks for image j+2.
Its sound is 32 mel columns: 16 aligned with it and 8 of context on each side.

Sign: ``offset_frames`` > 0 means that the sound comes early (it leads the picture). The repair delays the sound
by ``offset_frames`` / 25 s. The same sign as SyncNet's code, IC-SyncNet (offset = w - m) and Synchformer.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Literal

IMAGE_RATE_HZ = 25
SOUND_RATE_HZ = 16_000
MEL_RATE_HZ = 80
MEL_HOP_SAMPLES = SOUND_RATE_HZ // MEL_RATE_HZ
MEL_WINDOW_SAMPLES = 800
N_MEL_BANDS = 80
SAMPLES_PER_IMAGE = SOUND_RATE_HZ // IMAGE_RATE_HZ
MS_PER_IMAGE = 1000 // IMAGE_RATE_HZ

WINDOW_IMAGES = 5
WINDOW_CENTRE_IMAGE = 2
WINDOW_MEL = 32
ALIGNED_MEL = 16
CONTEXT_MEL = (WINDOW_MEL - ALIGNED_MEL) // 2

MAX_PART_S = 5.0
DEFAULT_W = 15

MelRounding = Literal["round", "floor"]

SIGN_IN_WORDS = "> 0: the sound comes early (it leads the picture); delay it by offset/25 s to repair"


def aligned_mel_column(image: int, rounding: MelRounding = "round") -> int:
    """First of the 16 mel columns that are aligned with the window that starts at `image`.

    ``round`` takes the nearest column to 3.2 j, ``floor`` the one before it (the papers' convention).
    Exact for negative images and images of any size: integer arithmetic, and 3.2 j is never halfway.
    Source: IC-SyncNet, App. D ("one should round to the nearest integer").
    """
    numerator = 16 * image + (2 if rounding == "round" else 0)
    return numerator // 5


def first_mel_column(image: int, rounding: MelRounding = "round", context: int = CONTEXT_MEL) -> int:
    """First mel column of the window that starts at `image`, context included: round(3.2 j) - 8."""
    return aligned_mel_column(image, rounding) - context


def n_windows(n_images: int) -> int:
    """How many windows of five consecutive images `n_images` images hold; 0 when there are fewer than five."""
    return max(0, n_images - WINDOW_IMAGES + 1)


def offset_ms(offset_frames: int) -> float:
    """The offset in milliseconds, with the sign of `offset_frames`."""
    return float(offset_frames * MS_PER_IMAGE)


def offset_of_shift(shift: int, w: int) -> int:
    """The offset in images that row `shift` of a (2 w + 1)-row similarity matrix stands for: w - shift.

    Source: IC-SyncNet, App. D (offset = w - m).
    """
    return w - shift


def shift_of_offset(offset: int, w: int) -> int:
    """The row of a (2 w + 1)-row similarity matrix that stands for `offset`; the inverse of `offset_of_shift`."""
    return w - offset


def n_images_in(duration_s: Fraction | float) -> int:
    """How many images k have k/25 s before `duration_s`: the images a picture track of that length shows."""
    exact = Fraction(duration_s).limit_denominator(10**9) * IMAGE_RATE_HZ
    return max(0, -(-exact.numerator // exact.denominator))


def cut_into_parts(n_images: int, max_part_s: float = MAX_PART_S) -> list[tuple[int, int]]:
    """Equal parts (first image, one past the last image) of at most `max_part_s` that cover all images once, in order.

    Lengths differ by at most one image. No images give no parts.
    Source: IC-SyncNet, App. E, footnote 3 (chunks of at most 5 seconds).
    """
    most = max(WINDOW_IMAGES, int(max_part_s * IMAGE_RATE_HZ))
    n_parts = -(-n_images // most)
    edges = [n_images * i // n_parts for i in range(n_parts + 1)] if n_parts else []
    return list(pairwise(edges))
