from __future__ import annotations

import subprocess
import sys

import pytest

from syncqc.cli.lazy_default import default_of


@pytest.mark.parametrize(
    ("where", "shown"),
    [("syncqc.engine.isolate:Limits.time_limit_s", "300"), ("syncqc.stages.pool:PoolClip.min_probability", "0.8")],
)
def test_a_default_shows_as_the_field_has_it(where: str, shown: str) -> None:
    assert (f"({default_of(where)})", str(default_of(where))) == (f"({shown})", shown)


def test_nothing_is_imported_before_it_is_shown() -> None:
    code = """if True:
        import sys
        from syncqc.cli.lazy_default import default_of
        default_of("syncqc.stages.pool:PoolClip.min_probability")
        print("syncqc.stages" in sys.modules)
    """
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
