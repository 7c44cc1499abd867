from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from jinja2 import ChoiceLoader, DictLoader, Environment

from syncqc.errors import UsageError
from syncqc.report import html
from syncqc.report.html import page
from syncqc.report.sheet_card import card_of
from syncqc.report.sheet_media import N_BARS, Seen
from syncqc.report.sheets import Sheet, SheetSettings, sheets, why_no_faces

sys.path.insert(0, str(Path(__file__).parent))

from made_sheets import N_IMAGES, Row, clip, complete, faces_of, manifest, row

if TYPE_CHECKING:
    from playwright.sync_api import Page

NO_MEDIA = SheetSettings(has_media=False)
NASTY = "<img src=x onerror=alert(1)>"


def by_name(found: tuple[Sheet, ...]) -> dict[str, Sheet]:
    return {sheet.name: sheet for sheet in found}


def clips(sheet: Sheet) -> list[str]:
    return [card.clip_id for card in sheet.cards]


def says(sheet: Sheet) -> str:
    return sheet.says.replace("\N{NO-BREAK SPACE}", " ")


def test_each_sheet_shows_the_rows_of_its_kind_and_says_how_many_there_are(tmp_path: Path) -> None:
    rows = [row(f"good{i}", part_index=part) for i in range(2) for part in range(2)]
    rows += [row("late", offset_frames=-4), row("cold", frozen_ratio=0.5), row("low", probability_at_offset=0.3)]
    found = by_name(sheets([manifest(tmp_path / "m.parquet", rows)], NO_MEDIA))
    assert list(found) == ["best", "worst", "borderline", "offscreen", "off", "frozen", "dubbed", "artefacts"]
    shown = {name: sorted(clips(sheet)) for name, sheet in found.items()}
    assert shown == {
        "best": ["cold", "good0", "good1", "late"], "worst": ["low"], "borderline": [], "offscreen": [], "off": ["late"],
        "frozen": ["cold"], "dubbed": [], "artefacts": [],
    }  # fmt: skip
    assert says(found["best"]).endswith("6 rows of 4 clips meet this; one row of each clip is shown.")
    assert says(found["off"]).endswith("1 row of 1 clip meets this; one row of each clip is shown.")
    assert says(found["borderline"]).endswith("There are none.")


SHARES = {"enough for all": (12, (7, 3, 2)), "scarce": (7, (3, 2, 2)), "more than there are": (99, (40, 3, 2)), "one": (1, (1, 0, 0))}


@pytest.mark.parametrize(("n_cards", "expected"), SHARES.values(), ids=SHARES.keys())
def test_cards_are_shared_among_the_sheets(tmp_path: Path, n_cards: int, expected: tuple[int, ...]) -> None:
    rows = [row(f"a{i:02d}") for i in range(35)] + [row(f"l{i}", offset_frames=3) for i in range(3)]
    rows += [row(f"f{i}", frozen_ratio=0.9) for i in range(2)]
    found = by_name(sheets([manifest(tmp_path / "m.parquet", rows)], SheetSettings(n_cards=n_cards, has_media=False)))
    assert tuple(len(found[name].cards) for name in ("best", "off", "frozen")) == expected
    if n_cards == 12:
        assert "40 rows of 40 clips meet this; shown are 7, of each clip the first" in says(found["best"])


def test_the_same_cards_come_again(tmp_path: Path) -> None:
    path = manifest(tmp_path / "m.parquet", [row(f"{i:03d}", offset_frames=3) for i in range(100)])
    first = sheets([path], SheetSettings(n_cards=8, has_media=False))
    assert sheets([path, path], SheetSettings(n_cards=8, has_media=False)) == first
    other = sheets([path], SheetSettings(n_cards=8, has_media=False, seed=1))
    assert clips(by_name(other)["off"]) != clips(by_name(first)["off"])


def test_rows_of_several_manifests_name_theirs(tmp_path: Path) -> None:
    paths = [manifest(tmp_path / f"{name}.parquet", [row(name, dataset=name)]) for name in ("x", "y")]
    best = by_name(sheets(paths, NO_MEDIA))["best"]
    assert [(card.clip_id, card.manifest) for card in best.cards] == [("x", "x.parquet"), ("y", "y.parquet")]


LOW = {"probability_at_offset": 0.3, "margin": 0.05, "n_parts": 2}


def test_turned_heads_are_no_suspects_of_dubbing(tmp_path: Path) -> None:
    rows = [row(name, part_index=part, **LOW) for name in ("frontal", "turned", "unseen") for part in range(2)]
    faces = [one for part in range(2) for one in faces_of("frontal", part=part) + faces_of("turned", part=part, turn_px=6)]
    dubbed = by_name(sheets([manifest(tmp_path / "m.parquet", rows, faces)], NO_MEDIA))["dubbed"]
    assert sorted(clips(dubbed)) == ["frontal", "unseen"]
    assert says(dubbed).endswith(
        "Left out because the head is turned: 1. Shown although no stored face says whether the head is turned: 1."
    )


def test_files_that_are_gone_leave_the_numbers(tmp_path: Path) -> None:
    path = manifest(tmp_path / "m.parquet", [row("a")], faces_of("a"))
    (card,) = by_name(sheets([path]))["best"].cards
    assert card.mouths is None and card.curve is not None and card.facts
    assert [note.partition(":")[0] for note in card.notes] == ["No mouths and no waveform"]
    assert str(tmp_path) not in " ".join(card.notes)


def test_without_media_no_file_is_opened_and_it_is_said(tmp_path: Path) -> None:
    path = manifest(tmp_path / "m.parquet", [row("a", path=str(clip(tmp_path / "a.mkv", 0.5)))], faces_of("a"))
    best = by_name(sheets([path], NO_MEDIA))["best"]
    (card,) = best.cards
    assert (card.mouths, card.sound, card.notes) == (None, None, ())
    assert best.notes[0] == "No clip was opened: there are no mouths and no waveforms."
    assert "no similarity matrices are stored" in best.notes[1]
    assert by_name(sheets([path], NO_MEDIA))["frozen"].notes == ()
    assert why_no_faces(tuple(by_name(sheets([path], NO_MEDIA)).values())) is None


def test_without_media_a_clip_is_named_without_its_folders(tmp_path: Path) -> None:
    path = manifest(tmp_path / "m.parquet", [row("anna/private/a")])
    (card,) = by_name(sheets([path], NO_MEDIA))["best"].cards
    assert (card.clip_id, card.name) == ("a", "a")


def test_why_no_face_is_shown_is_the_most_frequent_reason(tmp_path: Path) -> None:
    path = manifest(tmp_path / "m.parquet", [row("a", path=str(clip(tmp_path / "a.mkv", 0.5)))])
    assert str(why_no_faces(sheets([path]))).endswith("there is no m.parquet.tracks.parquet")
    assert why_no_faces(()) is None


def test_what_was_not_read_in_time_is_said(tmp_path: Path) -> None:
    path = manifest(tmp_path / "m.parquet", [row("a", path=str(clip(tmp_path / "a.mkv", 0.5)))], faces_of("a"))
    (card,) = by_name(sheets([path], SheetSettings(limit_s=1e-9)))["best"].cards
    assert card.notes == ("No mouths and no waveform: the 1e-09 s for the files of all clips were over.",)


def test_an_older_manifest_without_some_columns_is_shown(tmp_path: Path) -> None:
    path = manifest(tmp_path / "m.parquet", [row("a")])
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["leak_video", "leak_video_reason", "resynced_path", "frozen_ratio", "audio_start_s"]), path)
    assert clips(by_name(sheets([path], NO_MEDIA))["best"]) == ["a"]


WRONG = {"no cards": {"n_cards": 0}, "no mouths": {"n_mouths": 0}, "no time": {"limit_s": 0.0}, "nan": {"card_limit_s": float("nan")}}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG.keys())
def test_settings_out_of_range_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(given))):
        SheetSettings(**given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with cards of all sorts: seen, without a file, with a nasty name."""
    folder = tmp_path_factory.mktemp("sheets")
    seen = str(clip(folder / "a.mkv", 0.5, 2.0))
    rows: list[Row] = [row("seen", path=seen), row("gone", offset_frames=3), row(f"{NASTY}.mp4", path=seen, speaker=NASTY)]
    rows += [row("long/" * 40 + "name", path=seen, frozen_ratio=0.5, similarity=[None] * 3 + [0.1] * 28)]
    path = manifest(folder / "m.parquet", rows, [one for of in rows for one in faces_of(of["clip_id"])])
    template = (
        '{% extends "base.html.j2" %}{% from "sheets.html.j2" import contact_sheets %}'
        "{% block main %}<h2>Clips</h2>{{ contact_sheets(sheets) }}{% endblock %}"
    )
    environment = html._environment

    def with_template() -> Environment:
        made = environment()
        made.loader = ChoiceLoader([DictLoader({"trial.html.j2": template}), made.loader])  # type: ignore[list-item]
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html, "_environment", with_template)
        text = page("trial.html.j2", "Trial", {}, styles=("sheets.css",), sheets=sheets([path]))
    (folder / "page.html").write_text(text, encoding="utf-8")
    return folder / "page.html"


@pytest.mark.browser
@pytest.mark.parametrize(("width", "colours"), [(390, "dark"), (1280, "light")], ids=["phone, dark", "desk, light"])
def test_the_cards_in_a_browser(
    written: Path, opened: Callable[..., Page], findings: Callable[[Page], list[str]], width: int, colours: str
) -> None:
    shown = opened(written, width=width, colours=colours)
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    # best: all four; off: one; frozen: one
    assert shown.locator("figure.card").count() == 6
    assert shown.get_by_role("heading", level=3).all_inner_texts()[0] == "Best"
    pictures = shown.get_by_role("img", name="Five mouth crops of seen, 0.00 to 2.40 s")
    pictures.first.scroll_into_view_if_needed()
    shown.wait_for_function("Array.from(document.images).slice(0, 1).every(one => one.complete && one.naturalWidth === 132)")
    assert shown.get_by_role("img", name="Waveform").count() == 4
    assert shown.get_by_text(f"{NASTY}.mp4", exact=True).count() == 1
    assert shown.locator("main").get_by_text("No mouths and no waveform:").count() == 2
    assert findings(shown) == []


def test_a_card_is_small() -> None:
    chance = np.random.default_rng(0)
    mouths = np.stack([cv2.GaussianBlur(chance.integers(0, 256, (48, 96, 3), np.uint8), (5, 5), 0) for _ in range(5)])
    peaks, probability = chance.uniform(0, 1, N_BARS).astype(np.float32), chance.uniform(0, 1, N_IMAGES - 4)
    card = card_of(complete(row("a")), "m.parquet", Seen(mouths=mouths, peaks=peaks, probability=probability), (0.0, 0.2))
    assert 4_000 < card.n_bytes < 12_000
