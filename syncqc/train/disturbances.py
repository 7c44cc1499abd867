"""The list of disturbances: what each does to the sound or the pictures of a clip, and how strongly.

Only one of the two is ever changed. Knows how copies are made and nothing of what is measured on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from syncqc.errors import unknown_name
from syncqc.media.disturb import H264_CLEAN, ClipFile, PictureChange, with_coded_sound, with_pictures, with_samples
from syncqc.media.disturb_sound import babble, clipped, mixed, music, pink_noise, reverberated, telephone, white_noise

F32 = npt.NDArray[np.float32]

N_BABBLE_VOICES = 6
BLUR_FACE_SHARE = 0.03
"""Standard deviation of the blur, in widths of the face."""
DARK_SHARE = 0.3
FPS = (15, 20, 24, 30, 50, 60)
_LEAST_SIDE_PX = 32


class NotApplicable(Exception):
    """The disturbance has no meaning for this clip: the face is as small already, or there are no other voices."""


@dataclass(frozen=True)
class Subject:
    """The clip that is disturbed, and what the disturbances must know of it."""

    file: ClipFile
    samples: F32
    """All of its sound."""
    first_sample: int
    """Number of `samples[0]` on the clip's clock."""
    face_width_px: float
    """Median over its face tracks."""
    seed: int
    """Of what is drawn; another one for each clip."""
    voices: Sequence[F32] = ()
    """What other people say."""


@dataclass(frozen=True)
class SoundChange:
    """Samples into as many samples that lie where they lay."""

    words: str
    change: Callable[[Subject, np.random.Generator], F32]

    def make(self, subject: Subject, out: Path) -> ClipFile:
        """The disturbed copy at `out`; raises as `with_samples`, and NotApplicable."""
        samples = self.change(subject, np.random.default_rng(subject.seed))
        return with_samples(subject.file, out, samples, subject.first_sample)


@dataclass(frozen=True)
class CodedSound:
    """Sound through a lossy codec."""

    words: str
    encoder: tuple[str, ...]

    def make(self, subject: Subject, out: Path) -> ClipFile:
        """The disturbed copy at `out`; raises as `with_coded_sound`."""
        return with_coded_sound(subject.file, out, self.encoder)


@dataclass(frozen=True)
class Pictured:
    """Pictures filtered or encoded anew."""

    words: str
    change: Callable[[Subject], PictureChange] = field(default=lambda _: PictureChange())

    def make(self, subject: Subject, out: Path) -> tuple[ClipFile, int]:
        """The disturbed copy at `out` and the delay of its sound in samples; raises as `with_pictures`, and NotApplicable."""
        return with_pictures(subject.file, out, self.change(subject))


Disturbance = SoundChange | CodedSound | Pictured


def _babble(snr_db: float, subject: Subject, random: np.random.Generator) -> F32:
    if not subject.voices:
        raise NotApplicable("no other voices")
    return mixed(subject.samples, babble(subject.voices[:N_BABBLE_VOICES], len(subject.samples), random), snr_db)


def _mixed(make: Callable[[int, np.random.Generator], npt.NDArray[np.float64]], snr_db: float) -> SoundChange:
    kind = make.__name__.replace("_", " ")
    return SoundChange(
        f"{kind} {snr_db:g} dB below the sound" if snr_db else f"{kind} as loud as the sound",
        lambda subject, random: mixed(subject.samples, make(len(subject.samples), random), snr_db),
    )


def _reverberated(rt60_s: float) -> SoundChange:
    words = f"a room in which sound takes {rt60_s:g} s to fall by 60 dB; the direct sound is not delayed"
    return SoundChange(words, lambda subject, random: reverberated(subject.samples, rt60_s, random))


def _h264(crf: int) -> Pictured:
    encoder = ("libx264", "-preset", "veryfast", "-crf", str(crf), "-pix_fmt", "yuv420p")
    return Pictured(f"H.264 at CRF {crf}", lambda _: PictureChange(encoder=encoder))


def _small(face_px: int) -> Pictured:
    return Pictured(f"pictures made smaller until the face is {face_px} pixels wide", partial(_smaller, face_px))


def _smaller(face_px: int, subject: Subject) -> PictureChange:
    scale = face_px / subject.face_width_px
    width, height = (2 * round(side * scale / 2) for side in (subject.file.facts.width_px, subject.file.facts.height_px))
    if scale >= 1 or min(width, height) < _LEAST_SIDE_PX:
        raise NotApplicable(f"the face is {subject.face_width_px:.0f} pixels wide")
    return PictureChange(f"scale={width}:{height}:flags=area")


def _blurred(subject: Subject) -> PictureChange:
    return PictureChange(f"gblur=sigma={BLUR_FACE_SHARE * subject.face_width_px:.2f}")


def _frozen(subject: Subject) -> PictureChange:
    fps = subject.file.facts.source_fps or 25.0
    filters = f"select='not(between(mod(n,{round(fps)}),1,{round(fps / 5)}))'"
    return PictureChange(filters, drops_pictures=True)


def _at_rate(fps: int) -> Pictured:
    # Each picture goes to the nearest tick of the new rate: half a tick early at most, half late.
    words = f"{fps} pictures a second, by leaving out or repeating; no picture moves by more than half of one"
    return Pictured(words, lambda _: PictureChange(f"fps={fps}", fps=fps))


DISTURBANCES: dict[str, Disturbance] = {
    **{f"white-noise-{snr}db": _mixed(white_noise, snr) for snr in (20, 10, 0)},
    **{f"pink-noise-{snr}db": _mixed(pink_noise, snr) for snr in (20, 10, 0)},
    "babble-10db": SoundChange(f"up to {N_BABBLE_VOICES} other voices 10 dB below the sound", partial(_babble, 10)),
    "babble-0db": SoundChange(f"up to {N_BABBLE_VOICES} other voices, together as loud as the sound", partial(_babble, 0)),
    **{f"music-{snr}db": _mixed(music, snr) for snr in (10, 0)},
    **{f"reverberation-{rt60_s}s": _reverberated(rt60_s) for rt60_s in (0.3, 0.8)},
    "telephone": SoundChange("only 300 to 3400 Hz", lambda subject, _: telephone(subject.samples)),
    "clipping": SoundChange("the loudest tenth of the samples cut off", lambda subject, _: clipped(subject.samples)),
    "mp3-32k": CodedSound("MP3 at 32 kbit/s, mono", ("libmp3lame", "-b:a", "32k")),
    "aac-32k": CodedSound("AAC at 32 kbit/s, mono", ("aac", "-b:a", "32k")),
    "encoded-again": Pictured("H.264 at CRF 10: what the disturbances of the pictures below share"),
    **{f"h264-crf{crf}": _h264(crf) for crf in (35, 45)},
    "mjpeg": Pictured("every picture a coarse JPEG", lambda _: PictureChange(encoder=("mjpeg", "-q:v", "20", "-pix_fmt", "yuvj420p"))),
    **{f"face-{width}px": _small(width) for width in (60, 40)},
    "blur": Pictured(f"Gaussian blur of {100 * BLUR_FACE_SHARE:g} % of the face's width", _blurred),
    "dark": Pictured(
        f"{100 * DARK_SHARE:g} % of the brightness",
        lambda _: PictureChange(f"colorlevels=romax={DARK_SHARE}:gomax={DARK_SHARE}:bomax={DARK_SHARE}", H264_CLEAN),
    ),
    **{f"fps-{fps}": _at_rate(fps) for fps in FPS},
    "freeze": Pictured("the first picture of each second stays for five more", _frozen),
}


def chosen(names: Sequence[str] | None) -> dict[str, Disturbance]:
    """The disturbances of these names in their own order; all for None.

    Raises:
        UsageError: a name is unknown.
    """
    for name in names or ():
        if name not in DISTURBANCES:
            raise unknown_name("effect", name, DISTURBANCES)
    return {name: one for name, one in DISTURBANCES.items() if names is None or name in names}
