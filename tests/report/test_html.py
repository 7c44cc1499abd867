from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from syncqc.report.gathered import FunnelStep
from syncqc.report.html import as_data, data_url, finite, json_in_html, page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = "</script><script>document.title='ran'</script><img src=x onerror=alert(1)>&amp;\u2028\u2029"


def test_json_keeps_its_value_and_holds_no_character_that_could_end_an_element() -> None:
    text = json_in_html({"name": HOSTILE})
    assert json.loads(text) == {"name": HOSTILE}
    assert not re.search("[<>&\u2028\u2029]", text)


def test_bytes_of_a_name_that_are_no_text_do_not_stop_the_page() -> None:
    assert json_in_html(["caf\udce9"]) == r'["caf\udce9"]'


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_refuses_what_is_no_number(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_in_html([number])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(None, None, id="not measured"),
        pytest.param(float("nan"), None, id="nan"),
        pytest.param(float("-inf"), None, id="infinite"),
        pytest.param(0.123456, 0.1235, id="rounded"),
    ],
)
def test_numbers_are_rounded_and_what_is_none_is_none(value: float | None, shown: float | None) -> None:
    assert finite(value) == shown


def test_a_data_url_holds_the_bytes() -> None:
    assert data_url(b"\x00\xff", "image/png") == "data:image/png;base64,AP8="


def test_the_policy_names_every_script_of_the_page_and_no_address() -> None:
    text = page("base.html.j2", "a title", {})
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert found is not None
    policy = found[1].replace("&#39;", "'")
    scripts = re.findall(r'<script(?: type="text/plain" id="plotly")?>(.*?)</script>', text, re.DOTALL)
    hashes = {base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts}
    assert set(re.findall(r"'sha256-([^']*)'", policy)) == hashes
    assert len(scripts) == 2, "Plotly and figures.js"
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy


@pytest.mark.browser
def test_a_stranger_s_text_is_shown_and_not_run(opened: Callable[..., Page], tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page("base.html.j2", HOSTILE, {"name": HOSTILE}), encoding="utf-8")
    shown = opened(path)
    assert shown.locator("h1").text_content() == HOSTILE
    assert shown.evaluate("syncqc.data.name") == HOSTILE
    assert shown.locator("img").count() == 0


@pytest.mark.browser
def test_a_page_cannot_ask_anybody_for_anything(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page("base.html.j2", "a title", {}), encoding="utf-8")
    shown = browser.new_page()
    shown.goto(path.as_uri())
    refused = shown.evaluate("""new Promise((resolve) => {
        document.addEventListener("securitypolicyviolation", (event) => { resolve(event.effectiveDirective); }, { once: true });
        const image = new Image();
        image.src = "file:///nowhere.png";
    })""")
    shown.close()
    assert refused == "img-src"


def test_plain_numbers_are_short_and_finite() -> None:
    assert as_data({"x": (1.0, 0.123456789, float("nan"), None, True), "y": (FunnelStep("p", "", 1, 2, 3.5),)}) == {
        "x": [1, 0.12346, None, None, True],
        "y": [{"rule": "p", "wanted": "", "n_rows": 1, "n_clips": 2, "length_s": 3.5}],
    }
