from __future__ import annotations

from dataclasses import fields

import pytest

from syncqc.errors import UsageError
from syncqc.loaders.settings import DEFAULTS, LoaderSettings
from syncqc.stages.find_faces import FindFaces
from syncqc.stages.read import ReadClip

WRONG = {
    "an unknown offset": ({"offset": "clips"}, "unknown offset 'clips'; did you mean 'clip'"),
    "unknown rows": ({"rows": "all of them"}, "unknown rows 'all of them'"),
    "an unknown view": ({"images": "faces"}, "unknown images 'faces'; did you mean 'face'"),
    "an unknown position": ({"position": "center"}, "unknown position 'center'; did you mean 'centre'"),
    "an unknown way out": ({"on_error": "ignore"}, "unknown on_error 'ignore'"),
    "no images": ({"n_images": 0}, "n_images must be at least 1, not 0"),
    "no height": ({"crop_height_px": 0}, "crop_height_px must be at least 1, not 0"),
    "no width": ({"size_px": (96, 0)}, r"size_px is a height and a width of at least 1, not \(96, 0\)"),
    "faces of any size": ({"images": "face"}, "faces need size_px"),
    "points in no picture": ({"images": "none", "landmarks": True}, "landmarks are points in `images`"),
    "a context before the beginning": ({"sound_context_images": -1}, "sound_context_images at least 0"),
}


@pytest.mark.parametrize(("values", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        LoaderSettings(**values)


NEEDS = {
    "pictures": ({}, True, False),
    "sound alone": ({"images": "none"}, False, False),
    "mouths alone": ({"images": "none", "crops": True}, True, True),
    "faces": ({"images": "face", "size_px": (96, 96)}, True, True),
    "pictures with points": ({"landmarks": True}, True, True),
}


@pytest.mark.parametrize(("values", "pictures", "faces"), NEEDS.values(), ids=NEEDS.keys())
def test_only_what_is_needed_is_read(values: dict[str, object], pictures: bool, faces: bool) -> None:
    settings = LoaderSettings(**values)
    assert (settings.needs_pictures, settings.needs_faces) == (pictures, faces)


def test_crops_are_by_default_those_of_the_measurement() -> None:
    of_stage = {field.name: field.default for field in fields(FindFaces)} | {field.name: field.default for field in fields(ReadClip)}
    names = ("crop_height_px", "crop_width_px", "crop_margin", "smooth_images", "max_short_side_px", "n_threads")
    assert {name: getattr(DEFAULTS, name) for name in names} == {name: of_stage[name] for name in names}
