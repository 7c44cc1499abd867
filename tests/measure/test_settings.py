from __future__ import annotations

from typing import Any

import pytest

from syncqc.errors import UsageError
from syncqc.measure.settings import MeasureSettings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"candidate_threshold": 1.5}, "candidate_threshold must lie in 0-1, not 1.5", id="candidate"),
        pytest.param({"onscreen_threshold": -0.1}, "onscreen_threshold must lie in 0-1, not -0.1", id="onscreen"),
        pytest.param({"min_share_of_windows": float("nan")}, "min_share_of_windows must lie in 0-1, not nan", id="share"),
        pytest.param({"island_windows": 0}, "island_windows must be at least 1, not 0", id="island"),
        pytest.param({"min_windows": 0}, "min_windows must be at least 1, not 0", id="windows"),
        pytest.param({"smooth_along": "offsets"}, "unknown smooth_along 'offsets'; did you mean 'offset'?", id="direction"),
        pytest.param({"onscreen_by": "windows"}, "unknown onscreen_by 'windows'; did you mean 'window'?", id="who decides"),
    ],
)
def test_a_setting_out_of_range_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        MeasureSettings(**values)
    assert str(refusal.value) == message
