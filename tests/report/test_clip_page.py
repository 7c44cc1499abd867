from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from syncqc.media.mux import Pictures, SoundTrack, write_clip
from syncqc.media.preview import preview
from syncqc.report.clip_page import Choice, ClipShown, Face, Recording, clip_page
from syncqc.report.map_figure import MapPart

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = "<img src=x onerror=alert(1)>.mp4"
IMAGE_S = 0.04


def face(track: int, offset: int, speaks: tuple[float, float], left_px: float, *, at_offset: float = 0.95) -> Face:
    """A face from 0 to 3 s: `at_offset` at its offset, 0.1 elsewhere, and a box 60 px wide that moves by 20 px to the right."""
    probability = np.full((31, 71), 0.1)
    probability[15 - offset] = at_offset
    probability[:, 70] = np.nan
    row: dict[str, object] = {
        "part_index": 0, "track_index": track, "start_s": 0.0, "end_s": 3.0, "width_px": 160, "height_px": 120,
        "offset_frames": offset, "probability_at_offset": at_offset, "probability_in_sync": 0.88, "offscreen_ratio": 0.25,
    }  # fmt: skip
    part = MapPart(0.0, 3.0, "", probability, 0.08, 0, offset, [speaks])
    return Face(row, part, [(0, (left_px, 30, left_px + 60, 90)), (74, (left_px + 20, 30, left_px + 80, 90))])


def unmeasured(failure: str = "no_face", detail: str = "no face on 5 images looked at") -> Face:
    row: dict[str, object] = {"part_index": 1, "track_index": None, "start_s": 3.0, "end_s": 4.0, "failure": failure}
    return Face(row, MapPart(3.0, 4.0, "", reason=detail), why_not=f"{failure}: {detail}")


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Four seconds of a picture that brightens, with a tone."""
    path = tmp_path_factory.mktemp("recording") / "clip.mp4"
    images = (np.full((120, 160, 3), 2 * k, np.uint8) for k in range(100))
    tone = SoundTrack(0.2 * np.sin(np.arange(64_000) / 6), 16_000)
    write_clip(path, Pictures(images, 160, 120, fps=Fraction(25)), tone)
    made = preview(path, None, 0.0, 5)
    return Recording(made.media_type, made.as_it_is, made.shifted)


def shown(recording: Recording | None, **others: Any) -> ClipShown:
    """Two faces side by side for 3 s, then none."""
    choices = [
        Choice("best-synced at each moment", "the sound leads the picture by 5 images (200 ms)", [0, 2]),
        Choice("face 1 of each part", "sound and lips agree at none of the offsets searched", [1]),
    ]
    faces = [face(0, 5, (0.08, 1.5), 10), face(1, -11, (2.0, 2.5), 80, at_offset=0.3), unmeasured()]
    given: dict[str, Any] = {"name": "talk.mp4", "facts": [("length", "4.00 s")], "notes": [], "faces": faces, "choices": choices}
    given |= {"duration_s": 4.0, "first_s": 0.0, "end_s": 4.0, "offset_frames": 5, "recording": recording}
    return ClipShown(**(given | others))


@pytest.fixture
def inspected(opened: Callable[..., Page], recording: Recording, tmp_path: Path) -> Callable[..., Page]:
    """Opens the page of `shown`, its video loaded."""

    def look(clip: ClipShown | None = None, **options: Any) -> Page:
        path = tmp_path / "clip.html"
        path.write_text(clip_page(clip or shown(recording)), "utf-8")
        page = opened(path, **options)
        until(page, "!document.getElementById('video') || document.getElementById('video').readyState >= 2")
        return page

    return look


def data_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def until(page: Page, condition: str) -> None:
    """Waits. The page's policy forbids what Playwright's own waiting does in it."""
    end_s = time.monotonic() + 15
    while not page.evaluate(condition):
        assert time.monotonic() < end_s, f"never so: {condition}"
        page.wait_for_timeout(20)


def time_s(page: Page) -> float:
    return float(page.evaluate("document.getElementById('video').currentTime"))


def click_map(page: Page, at_s: float, height: float = 0.4) -> None:
    box = page.locator("#drawing-map").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + page.evaluate(f"syncqc.map.x_of({at_s})"), box["y"] + height * box["height"])


def test_cells_are_bytes_from_the_greatest_offset_down_and_255_where_none_counts() -> None:
    cells = np.array([[0.0, 1.0, 0.5], [np.nan, 0.25, 1.0], [0.1, 0.2, 0.3]])
    part = MapPart(0.0, 0.28, "", cells, 0.08, zero_offset_frames=1, offset_frames=0)
    clip = shown(None, faces=[Face({"part_index": 0}, part)], choices=[], end_s=0.28, duration_s=0.28)
    stored = data_of(clip_page(clip))["faces"][0]["map"]
    assert (stored["n_shifts"], stored["n_windows"], stored["greatest_offset"], stored["first_window_s"]) == (3, 3, 0, 0.08)
    assert list(base64.b64decode(stored["cells"])) == [0, 254, 127, 255, 64, 254, 25, 51, 76]


def test_a_stretch_holds_its_own_windows_and_the_table_all_parts() -> None:
    html = clip_page(shown(None, first_s=1.0, end_s=2.0))
    first, _, behind = data_of(html)["faces"]
    assert (first["map"]["first_window_s"], first["map"]["n_windows"]) == (1.0, 25)
    assert behind is None, "a part outside the stretch has no place on the map"
    assert "This page holds 1 to 2 s of the 4.0 s of the clip" in html
    assert "no_face: no face on 5 images looked at" in html
    assert "data-seek" not in html, "neither part begins within the stretch"


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        pytest.param(5, "delayed by 200 ms, because the sound leads the picture by 5 images (200 ms)", id="early"),
        pytest.param(-2, "brought forward by 80 ms, because the sound lags behind the picture by 2 images (80 ms)", id="late"),
    ],
)
def test_what_is_done_to_the_other_sound_is_said(offset: int, said: str) -> None:
    assert f"at the measured offset: {said}" in clip_page(shown(Recording("video/mp4", b"a", b"b"), offset_frames=offset))


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        pytest.param(0, "There is one sound to hear: it is in time as it is.", id="in time"),
        pytest.param(None, "There is one sound to hear: no offset is known by which it could be moved.", id="no offset"),
    ],
)
def test_one_sound_offers_no_choice(offset: int | None, said: str) -> None:
    html = clip_page(shown(Recording("video/mp4", b"a", None), offset_frames=offset))
    assert said in html
    assert 'name="sound"' not in html


@pytest.mark.browser
def test_the_video_plays_and_the_cursor_follows(inspected: Callable[..., Page]) -> None:
    page = inspected()
    assert page.evaluate("document.getElementById('video').duration") == pytest.approx(4.0, abs=IMAGE_S)
    before = page.locator("#cursor").bounding_box()
    page.locator("#cursor").focus()
    page.keyboard.press("Space")
    until(page, "document.getElementById('video').currentTime > 0.5")
    page.keyboard.press("Space")
    until(page, "document.getElementById('video').paused")
    until(
        page,
        "Math.abs(document.getElementById('cursor').getAttribute('aria-valuenow') - document.getElementById('video').currentTime) < 0.02",
    )
    after = page.locator("#cursor").bounding_box()
    assert before is not None
    assert after is not None
    assert after["x"] - before["x"] == pytest.approx(page.evaluate(f"syncqc.map.x_of({time_s(page)}) - syncqc.map.x_of(0)"), abs=2)
    assert after["x"] - before["x"] > 10


@pytest.mark.browser
@pytest.mark.parametrize("plays", [True, False], ids=["playing", "paused"])
def test_changing_the_sound_keeps_time_and_play_state(plays: bool, inspected: Callable[..., Page]) -> None:
    page = inspected()
    click_map(page, 1.02)
    if plays:
        page.keyboard.press("Space")
        until(page, "document.getElementById('video').currentTime > 1.2")
    before, address = time_s(page), page.evaluate("document.getElementById('video').src")
    page.get_by_label("at the measured offset").check()
    until(page, f"document.getElementById('video').src !== {json.dumps(address)}")
    until(page, "document.getElementById('video').readyState >= 2 && !document.getElementById('video').seeking")
    assert page.evaluate("!document.getElementById('video').paused") is plays
    if plays:
        until(page, f"document.getElementById('video').currentTime > {before + 0.2}")
    else:
        assert time_s(page) == pytest.approx(before, abs=0.001)
    page.get_by_label("as it is").check()
    until(page, f"document.getElementById('video').src === {json.dumps(address)}")


@pytest.mark.browser
def test_sounds_changed_twice_at_once_keep_the_time(inspected: Callable[..., Page]) -> None:
    page = inspected()
    click_map(page, 2.02)
    until(page, "!document.getElementById('video').seeking")
    page.evaluate("for (const one of [1, 0]) document.querySelectorAll('input[name=sound]')[one].click()")
    until(page, "document.getElementById('video').readyState >= 2 && document.getElementById('video').currentTime > 0")
    assert time_s(page) == pytest.approx(2.02, abs=0.001)


@pytest.mark.browser
def test_a_place_on_the_map_is_gone_to(inspected: Callable[..., Page]) -> None:
    page = inspected()
    click_map(page, 1.02)
    assert time_s(page) == pytest.approx(1.02, abs=IMAGE_S / 2)
    assert page.locator("#readout").inner_text() == "1.02 s · at offset +5: p 0.95 · the face is the speaker"
    for key, at_s in [("ArrowRight", 1.06), ("ArrowLeft", 1.02), ("PageUp", 2.02), ("Home", 0.02), ("End", 3.98)]:
        page.keyboard.press(key)
        assert time_s(page) == pytest.approx(at_s, abs=0.001), key
    assert page.locator("#readout").inner_text() == "3.98 s · not measured: no_face"
    page.get_by_role("button", name="Go to part 0, 0.00-3.00 s").first.click()
    assert time_s(page) == pytest.approx(0.02, abs=0.001)
    page.locator("#drawing-map").scroll_into_view_if_needed()
    box = page.locator("#drawing-map").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + page.evaluate("syncqc.map.x_of(0.5)"), box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + page.evaluate("syncqc.map.x_of(2.5)"), box["y"] + 50)
    page.mouse.up()
    page.mouse.move(box["x"] + page.evaluate("syncqc.map.x_of(1.5)"), box["y"] + 50)
    assert time_s(page) == pytest.approx(2.5, abs=IMAGE_S), "the cursor is drawn along, and let go"


@pytest.mark.browser
def test_a_chosen_face_has_its_own_map_numbers_and_box(inspected: Callable[..., Page]) -> None:
    page = inspected()
    click_map(page, 2.22)
    stage = page.locator("#stage").bounding_box()
    assert stage is not None

    def seen() -> tuple[str, str, str, float]:
        box = page.locator("#box").bounding_box()
        assert box is not None
        cells = page.locator(".choice:visible tbody tr").first.locator("td").all_inner_texts()
        return page.locator(".lead").inner_text(), cells[2], page.locator("#readout").inner_text(), (box["x"] - stage["x"]) / stage["width"]

    moved = 20 * 2.22 / 2.96 / 160
    lead, offset, readout, left = seen()
    assert (lead, offset) == ("the sound leads the picture by 5 images (200 ms)", "+5 images (+200 ms)")
    assert readout == "2.22 s · at offset +5: p 0.95 · the face is not the speaker"
    assert left == pytest.approx(10 / 160 + moved, abs=0.01)
    page.get_by_label("Face", exact=True).select_option("face 1 of each part")
    lead, offset, readout, left = seen()
    assert (lead, offset) == ("sound and lips agree at none of the offsets searched", "-11 images (-440 ms)")
    assert readout == "2.22 s · at offset -11: p 0.30 · the face is the speaker"
    assert left == pytest.approx(80 / 160 + moved, abs=0.01)
    assert page.evaluate("document.getElementById('drawing-map').data[0].z[26][0]") == pytest.approx(0.3, abs=0.002)


@pytest.mark.browser
def test_the_bar_below_the_map_is_who_speaks_when(inspected: Callable[..., Page]) -> None:
    page = inspected()
    drawn = page.evaluate(
        "document.getElementById('drawing-map').layout.shapes.filter((s) => s.yref === 'y2').map((s) => [s.x0, s.x1, s.fillcolor])"
    )
    of = {name: page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}')") for name in ("speaks", "silent")}
    assert [drawn[0], drawn[1]] == [[0.08, pytest.approx(2.92), of["silent"]], [0.08, 1.5, of["speaks"]]]
    assert [one[:2] for one in drawn[2:]] == [[pytest.approx(2.88), pytest.approx(2.92)]], "the last window was not measured"


@pytest.mark.browser
def test_what_strangers_wrote_is_shown_and_not_run(inspected: Callable[..., Page], recording: Recording) -> None:
    clip = shown(recording, name=HOSTILE, notes=[f"part 0: {HOSTILE}"], facts=[("sound from", HOSTILE)])
    choices = [Choice(HOSTILE, HOSTILE, [0, 2]), clip.choices[1]]
    page = inspected(replace(clip, faces=[clip.faces[0], clip.faces[1], unmeasured("<b>no_face</b>", HOSTILE)], choices=choices))
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.title() == HOSTILE
    assert page.locator(".lead").inner_text() == HOSTILE
    assert page.locator("#face option").first.inner_text() == HOSTILE
    assert page.locator("td.failed").inner_text() == f"<b>no_face</b>: {HOSTILE}"
    assert page.locator("#drawing-map .annotation-text", has_text="<b>no_face</b>").count() == 1
    assert page.locator("img").count() == 0


@pytest.mark.browser
@pytest.mark.parametrize(("width", "colours"), [(1280, "light"), (390, "dark")])
def test_the_page_is_for_everybody(width: int, colours: str, inspected: Callable[..., Page], findings: Callable[[Page], list[str]]) -> None:
    page = inspected(width=width, colours=colours)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(page) == []


@pytest.mark.browser
def test_a_page_without_a_video_still_shows_where_one_is_on_the_map(inspected: Callable[..., Page]) -> None:
    page = inspected(shown(None, why_no_recording="this ffmpeg writes no video"))
    click_map(page, 1.02)
    assert page.locator("#readout").inner_text().startswith("1.02 s · at offset +5: p 0.95")
    assert page.get_by_text("No video: this ffmpeg writes no video.").count() == 1


@pytest.mark.browser
def test_a_clip_of_which_nothing_is_known_opens(inspected: Callable[..., Page]) -> None:
    nothing = Face({"part_index": 0, "failure": "unreadable"}, why_not="unreadable: cannot be opened")
    choice = Choice("best-synced at each moment", "nothing was measured: unreadable: cannot be opened", [0])
    clip = shown(None, faces=[nothing], choices=[choice], duration_s=0.0, offset_frames=None, why_no_recording="cannot be opened")
    page = inspected(clip)
    assert page.locator(".lead").inner_text() == "nothing was measured: unreadable: cannot be opened"
    assert page.locator("#readout").inner_text() == "0.00 s · no face is shown here"
