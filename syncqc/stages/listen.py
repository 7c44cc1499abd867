"""The sound of a part becomes mel for the network, and tells how much of each row is speech.

Knows nothing of pictures. The mel front end is the checkpoint's, handed in as a setting.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from syncqc.clock import DEFAULT_W, SAMPLES_PER_IMAGE
from syncqc.errors import Failure
from syncqc.manifest import columns as c
from syncqc.media.mel import MelFrontEnd, mel_columns, reach
from syncqc.media.speech import SpeechFinder, is_speech, speech_ratio
from syncqc.stages.base import CROPS, MEL, SOUND, Payload, Stage
from syncqc.stages.part import Mel, Part
from syncqc.stages.read import mel_span


@dataclass
class Listen(Stage):
    """Mel around each part for shifts of up to 2 w, and the speech ratio of each of its rows."""

    w: int = DEFAULT_W
    front_end: MelFrontEnd = MelFrontEnd()
    _finder: SpeechFinder | None = field(default=None, repr=False, compare=False)

    reads: ClassVar[tuple[c.Column | Payload, ...]] = (SOUND, CROPS)
    writes: ClassVar[tuple[c.Column | Payload, ...]] = (MEL, c.SPEECH_RATIO)

    def open(self) -> None:
        """Loads the voice detector."""
        self._finder = SpeechFinder()

    def __call__(self, parts: list[Part]) -> list[Part]:
        """The parts with their mel; see `Stage`. A part without a face is listened to as well, one without sound is not."""
        for part in parts:
            if part.sound is not None and part.n_images and part.failure is not Failure.NO_AUDIO:
                self._listen(part)
        return parts

    def _listen(self, part: Part) -> None:
        assert self._finder is not None, "open() comes first"
        assert part.sound is not None
        sound = part.sound
        # The detector needs some sound before it is sure; the part's own begins after it.
        lead = part.first_image * SAMPLES_PER_IMAGE - sound.first_sample
        end = lead + part.n_images * SAMPLES_PER_IMAGE
        speech = is_speech(self._finder.speech_probability(sound.samples[:end]))
        part.row["speech_ratio"] = speech_ratio(speech, lead, end)
        for track in part.tracks:
            first = lead + (track.first_image - part.first_image) * SAMPLES_PER_IMAGE
            track.row["speech_ratio"] = speech_ratio(speech, first, first + track.n_images * SAMPLES_PER_IMAGE)
        if part.failure is not None or not part.tracks:
            return
        first_column, n_columns = mel_span(part.first_image, part.n_images, 2 * self.w)
        first_sample, end_sample = reach(first_column, n_columns)
        if first_sample < sound.first_sample or end_sample > sound.first_sample + len(sound.samples):
            raise ValueError(f"the part was read with too little sound around it for w = {self.w}")
        at = slice(first_sample - sound.first_sample, end_sample - sound.first_sample)
        columns, is_present = mel_columns(sound.samples[at], sound.is_present[at], self.front_end)
        part.mel = Mel(columns, first_column, is_present)
