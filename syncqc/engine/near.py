"""What happens to one clip in the process that reads it: its parts, through the near stages, ready to travel.

Knows neither processes nor pipes. Whatever goes wrong becomes one last part that says so; a part already given stays.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator

from syncqc.clock import IMAGE_RATE_HZ
from syncqc.engine.plan import Near
from syncqc.errors import ClipError, Failure
from syncqc.manifest.row import Clip
from syncqc.stages.part import Part

log = logging.getLogger(__name__)


def read_parts(near: Near, clip: Clip) -> Iterator[Part]:
    """The parts of the clip in order, at least one, without pictures and sound.

    Never raises: a clip that cannot be read on ends with one part that carries the reason for all that is missing.
    """
    last: Part | None = None
    try:
        refuse_what_is_no_file(clip)
        for part in near.source(clip):
            last = _through(near, part)
            yield last
        if last is None:
            yield rest_of(clip, None, Failure.CRASHED, f"{type(near.source).__name__} gave no part")
    except ClipError as error:
        yield rest_of(clip, last, error.failure, error.detail)
    except MemoryError:
        yield rest_of(clip, last, Failure.MEMORY_LIMIT, "reading on needs more memory than the limit")
    except Exception as error:
        log.exception("a stage failed on %s", clip.path)
        yield rest_of(clip, last, Failure.CRASHED, in_words(error))


def refuse_what_is_no_file(clip: Clip) -> None:
    """Nothing, for files and for paths where there is nothing yet; a pipe or a device is never opened.

    Raises:
        ClipError: a path is a pipe, a socket or a device (opening a pipe would wait for ever), or a folder.
    """
    for path in filter(None, (clip.path, clip.audio_path)):
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116  (a path with surrogates, as it was listed)
        except (OSError, ValueError):
            continue
        if not stat.S_ISREG(mode):
            raise ClipError(Failure.UNREADABLE, "not a regular file")


def rest_of(clip: Clip, last: Part | None, failure: Failure, detail: str) -> Part:
    """One part without images that stands for everything after `last`, or for the whole clip where `last` is None."""
    rest = Part(clip, 0, 1, 0, 0)
    if last is not None:
        first_image = last.first_image + last.n_images
        rest = Part(clip, last.part_index + 1, max(last.n_parts, last.part_index + 2), first_image, 0)
        rest.row["start_s"] = first_image / IMAGE_RATE_HZ
    rest.fail(failure, detail)
    return rest


def in_words(error: BaseException) -> str:
    """Type and message of an exception, on one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _through(near: Near, part: Part) -> Part:
    for stage in near.stages:
        (part,) = stage([part])
    part.images = part.sound = None
    return part
