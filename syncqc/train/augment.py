"""Random changes of pictures and sound that leave their timing alone.

Per track one placement, colour and quality, perhaps a box that hides a part, per image a small jitter (the paper's frame-wise
translation and scale); for the sound loudness, noise, other voices, echo and band limits, as videos in the wild have them. Picture
and sound may be played faster or slower, both alike.
Source: IC-SyncNet §3.3 for translation, scale and flip; vocal tract lengths after Jaitly and Hinton (2013); the rest is ours.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from scipy.fft import next_fast_len
from scipy.signal import fftconvolve

from syncqc.clock import SOUND_RATE_HZ

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
Rng = np.random.Generator


def place(crops: U8, height_px: int, width_px: int, rng: Rng | None) -> U8:
    """(n, height_px, width_px, 3): the middle of `crops` (n, H, W, 3), moved, scaled, turned and mirrored at random.

    Without `rng` exactly the middle.
    """
    n, full_height, full_width, _ = crops.shape
    if rng is None:
        top, left = (full_height - height_px) // 2, (full_width - width_px) // 2
        return np.ascontiguousarray(crops[:, top : top + height_px, left : left + width_px])
    scale, turn = np.exp(rng.normal(0, 0.08)), np.deg2rad(rng.normal(0, 4))
    shift = rng.normal(0, 0.03, 2) * width_px
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    stretch = np.exp(rng.normal(0, 0.04))
    scales = scale * np.exp(rng.normal(0, 0.012, n))
    shifts = shift + rng.normal(0, 0.006, (n, 2)) * width_px
    out = np.empty((n, height_px, width_px, 3), np.uint8)
    middle = np.array([(width_px - 1) / 2, (height_px - 1) / 2])
    full_middle = np.array([(full_width - 1) / 2, (full_height - 1) / 2])
    for i, crop in enumerate(crops):
        cos, sin = np.cos(turn) * scales[i], np.sin(turn) * scales[i]
        matrix = np.array([[cos * mirror, -sin * stretch, 0.0], [sin * mirror, cos * stretch, 0.0]])
        matrix[:, 2] = full_middle + shifts[i] - matrix[:, :2] @ middle
        cv2.warpAffine(
            crop, matrix, (width_px, height_px), out[i], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
        )
    return out


def recolour(images: U8, rng: Rng) -> U8:
    """The images with other brightness, contrast, colour balance and saturation, the same for all of them."""
    # Colours are mixed by one matrix: grey, or grey and the rest in other shares, each colour a bit brighter or darker.
    saturation = 0.0 if rng.random() < 0.25 else np.exp(rng.normal(0, 0.3))
    gains = np.ones(3) if saturation == 0.0 else np.exp(rng.normal(0, 0.06, 3))
    mix = (np.full((3, 3), (1 - saturation) / 3) + saturation * np.eye(3)) * gains
    out = cv2.transform(images.reshape(1, -1, 3).astype(np.float32), mix.T.astype(np.float32)).reshape(images.shape)
    mean = out.mean()
    out = (out - mean) * np.float32(np.exp(rng.normal(0, 0.2))) + mean * np.float32(np.exp(rng.normal(0, 0.2)))
    if rng.random() < 0.3:
        out = 255 * np.clip(out / 255, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.3)))
    return np.asarray(np.clip(out, 0, 255), np.uint8)


def degrade(images: U8, rng: Rng) -> U8:
    """The images as a worse camera or codec would give them: fewer pixels, blur, noise, blocks; the same for all of them."""
    height, width = images.shape[1:3]
    if rng.random() < 0.35:
        share = rng.uniform(0.3, 0.8)
        small = (max(8, round(width * share)), max(8, round(height * share)))
        images = np.stack([cv2.resize(cv2.resize(i, small, interpolation=cv2.INTER_AREA), (width, height)) for i in images])
    if rng.random() < 0.15:
        sigma = rng.uniform(0.4, 1.2)
        images = np.stack([cv2.GaussianBlur(i, (0, 0), sigma) for i in images])
    if rng.random() < 0.2:
        noise = rng.normal(0, rng.uniform(2, 10), images.shape).astype(np.float32)
        images = np.clip(images + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        quality = [int(cv2.IMWRITE_JPEG_QUALITY), int(rng.integers(15, 60))]
        images = np.stack([np.asarray(cv2.imdecode(cv2.imencode(".jpg", i, quality)[1], cv2.IMREAD_COLOR), np.uint8) for i in images])
    return images


def speed(rng: Rng) -> float:
    """By how much picture and voice are played faster; mostly 1 or between 0.87 and 1.15."""
    return 1.0 if rng.random() < 0.4 else float(np.exp(rng.uniform(-0.14, 0.14)))


def between(crops: U8, at: npt.NDArray[np.floating]) -> U8:
    """The pictures at places `at` (n,) of `crops`, blended from the two next to each; near a picture, that picture alone."""
    low = np.minimum(at.astype(np.int64), len(crops) - 1)
    high = np.minimum(low + 1, len(crops) - 1)
    share = at - low
    blended = [
        crops[a] if s < 0.1 else crops[b] if s > 0.9 else cv2.addWeighted(crops[a], 1 - s, crops[b], s, 0)
        for a, b, s in zip(low.tolist(), high.tolist(), share.tolist(), strict=True)
    ]
    return np.stack(blended)


def erase(images: U8, rng: Rng) -> U8:
    """The images with a box of one colour before part of them, the same for all; mostly untouched."""
    if rng.random() > 0.3:
        return images
    height, width = images.shape[1:3]
    h, w = int(height * rng.uniform(0.15, 0.45)), int(width * rng.uniform(0.1, 0.35))
    top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    images = images.copy()
    images[:, top : top + h, left : left + w] = rng.integers(0, 256, 3)
    return images


def stutter(n_images: int, rng: Rng) -> npt.NDArray[np.int64]:
    """Which image is on show at each of `n_images` images of a video of 12 to 24 fps; mostly each its own."""
    images = np.arange(n_images)
    if rng.random() > 0.15:
        return images
    step = 25 / rng.uniform(12, 24.5)
    phase = rng.uniform(0, step)
    return np.asarray(np.clip(np.ceil(np.floor((images + phase) / step) * step - phase), 0, images), np.int64)


def disturb(sound: F32, other: F32, rng: Rng) -> F32:
    """The sound louder or softer, with noise, another voice (`other`, same length), echo or a narrower band."""
    power = float(np.mean(sound**2)) + 1e-9
    if rng.random() < 0.2:
        sound = _add(sound, other, power, rng.uniform(3, 15))
    if rng.random() < 0.4:
        sound = _add(sound, coloured_noise(len(sound), rng.uniform(0, 2), rng), power, rng.uniform(5, 30))
    if rng.random() < 0.2:
        sound = echo(sound, rng.uniform(0.1, 0.5), rng.uniform(0.1, 0.6), rng)
    if rng.random() < 0.3:
        sound = colour(sound, rng)
    gain_db = rng.uniform(-15, 10)
    return np.asarray(np.clip(sound * np.float32(10 ** (gain_db / 20)), -1, 1), np.float32)


def _add(sound: F32, noise: F32, power: float, snr_db: float) -> F32:
    noise_power = float(np.mean(noise**2)) + 1e-12
    return (sound + noise * np.float32(np.sqrt(power / noise_power) * 10 ** (-snr_db / 20))).astype(np.float32)


def coloured_noise(n_samples: int, slope: float, rng: Rng) -> F32:
    """Noise whose power falls with frequency to the power of `slope`: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.normal(size=_fast_length(n_samples)))
    spectrum *= np.maximum(np.arange(len(spectrum)), 20.0) ** (-slope / 2)
    return np.fft.irfft(spectrum)[:n_samples].astype(np.float32)


def echo(sound: F32, decay_s: float, level: float, rng: Rng) -> F32:
    """The sound in a room: itself, undelayed, and a decaying tail."""
    n = int(decay_s * SOUND_RATE_HZ)
    tail = rng.normal(size=n) * np.exp(-6.9 * np.arange(n) / n)
    tail[: SOUND_RATE_HZ // 500] = 0
    tail *= level / (np.linalg.norm(tail) + 1e-9)
    tail[0] = 1.0
    return np.asarray(fftconvolve(sound, tail)[: len(sound)], np.float32)


def colour(sound: F32, rng: Rng) -> F32:
    """The sound through a microphone or line: a random tilt and an upper limit between 3 and 8 kHz."""
    n = _fast_length(len(sound))
    spectrum = np.fft.rfft(sound, n)
    hz = np.fft.rfftfreq(n, 1 / SOUND_RATE_HZ)
    tilt = np.maximum(hz, 100.0) ** rng.uniform(-0.4, 0.4)
    limit = 1 / (1 + (hz / rng.uniform(3000, 8000)) ** 12)
    shaped = np.fft.irfft(spectrum * tilt / tilt[len(tilt) // 8] * limit, n)[: len(sound)]
    return shaped.astype(np.float32)


def _fast_length(n_samples: int) -> int:
    """The next even number that a Fourier transform takes quickly; even, so that the inverse has the same length."""
    return 2 * int(next_fast_len(-(-n_samples // 2), real=True))


def other_throat(mel: F32, rng: Rng) -> F32:
    """Mel (n, 80) as of a longer or shorter vocal tract: its bands moved by up to a tenth of the way, or untouched."""
    if rng.random() > 0.5:
        return mel
    n = mel.shape[-1]
    at = np.clip(np.arange(n) * rng.uniform(0.9, 1.1), 0, n - 1)
    low = np.minimum(at.astype(np.int64), n - 2)
    share = (at - low).astype(np.float32)
    return np.asarray(mel[..., low] * (1 - share) + mel[..., low + 1] * share, np.float32)


def mask_bands(mel: F32, rng: Rng) -> F32:
    """Mel (..., 80) with up to two stretches of bands set to their mean, or untouched."""
    mel = mel.copy()
    for _ in range(int(rng.integers(0, 3)) if rng.random() < 0.4 else 0):
        width = int(rng.integers(2, 12))
        first = int(rng.integers(0, mel.shape[-1] - width))
        mel[..., first : first + width] = mel[..., first : first + width].mean()
    return mel
