"""What holds for every test: hypothesis does not judge the speed of the machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")
