"""What holds for every test: hypothesis does not judge the speed of the machine, and a command's log handlers end with its test."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")


@pytest.fixture(autouse=True)
def _logs_end_with_the_test() -> Iterator[None]:
    logger = logging.getLogger("syncqc")
    before = (logger.level, logger.propagate, logger.disabled, list(logger.handlers))
    yield
    for handler in set(logger.handlers) - set(before[3]):
        handler.close()
    logger.setLevel(before[0])
    logger.propagate, logger.disabled, logger.handlers = before[1:]
