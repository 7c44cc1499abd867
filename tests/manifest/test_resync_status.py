from __future__ import annotations

import pytest

from syncqc.manifest.resync_status import ResyncStatus


@pytest.mark.parametrize("status", ResyncStatus, ids=str)
def test_a_status_says_what_it_stands_for(status: ResyncStatus) -> None:
    assert status.meaning
    assert status.meaning not in [other.meaning for other in ResyncStatus if other is not status]


def test_the_list_is_closed() -> None:
    assert [str(status) for status in ResyncStatus] == ["in_time", "shifted", "virtual", "drifting", "unsure", "not_measured", "failed"]
