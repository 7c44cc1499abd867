from __future__ import annotations

import pytest

from syncqc.errors import UsageError
from syncqc.train.leak_settings import LeakSettings


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"n_batches": 0}, "--batches must be 1 or more, not 0"),
        ({"patience": 0}, "--patience must be 1 or more"),
        ({"max_clips": 2}, "--max-clips must be 3 or more"),
        ({"width": 0.01}, "--width must be from 0.05 to 2, not 0.01"),
        ({"device": "gpu"}, "--device must be one of auto, cpu, cuda, not gpu"),
    ],
)
def test_what_cannot_work_is_refused(changed: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        LeakSettings(**changed)  # type: ignore[arg-type]
