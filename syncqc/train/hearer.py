"""One face track beside any sound: seen once by the network, heard as often as asked.

Knows the network through `Score` and how `Listen` makes mel; not where a sound comes from.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from syncqc.measure.similarity import similarity_matrix, validity
from syncqc.media.mel import MelFrontEnd, mel_columns, reach
from syncqc.stages.part import Mel, Part, Sound, Track
from syncqc.stages.read import mel_span
from syncqc.stages.score import Score
from syncqc.train.other_sound import cut

Pair = tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]
"""Cosines and which of them count, each (4 w + 1, n): reaching to 2 w."""


class Hearer:
    """The main track of a part, embedded."""

    def __init__(self, part: Part, score: Score, front_end: MelFrontEnd) -> None:
        self.part = part
        self.track: Track = part.tracks[0]
        self.w = score.w
        self._score, self._front_end = score, front_end
        self._video = score.embed_video(self.track.crops)

    @property
    def n_windows(self) -> int:
        """How many windows the track has."""
        return len(self._video)

    def beside_sound(self, sound: Sound) -> Pair:
        """The matrix as it would be if the part sounded like this."""
        return self.beside_mel(heard(self.part, sound, self.w, self._front_end))

    def beside_mel(self, mel: Mel) -> Pair:
        """The matrix of the track with this mel."""
        audio, has_sound = self._score.embed_audio(mel, self.track.first_image - 2 * self.w, self.n_windows + 4 * self.w)
        return np.asarray(similarity_matrix(self._video, audio), np.float32), validity(has_sound, 2 * self.w)


def heard(part: Part, sound: Sound, w: int, front_end: MelFrontEnd) -> Mel:
    """The mel that `Listen` would make of the part if it sounded like this."""
    first_column, n_columns = mel_span(part.first_image, part.n_images, 2 * w)
    within = cut(sound, *reach(first_column, n_columns))
    columns, is_present = mel_columns(within.samples, within.is_present, front_end)
    return Mel(columns, first_column, is_present)
