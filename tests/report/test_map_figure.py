from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from syncqc.measure.active_speaker import onscreen_intervals_s
from syncqc.measure.probability import probability_map
from syncqc.measure.sync import measure
from syncqc.report.map_figure import MapPart, Still, draw_map, write_png

NAMED = {
    "speaks": "#1b7f79",
    "silent": "#d9d9d9",
    "white": "#ffffff",
    "background": "#ececec",
    "likely": to_hex(matplotlib.colormaps["viridis"](1.0)),
    "unlikely": to_hex(matplotlib.colormaps["viridis"](0.1)),
}


def part(hot: tuple[int, int] | None = None, start_s: float = 0.0, w: int = 15, n: int = 121, **options: object) -> MapPart:
    """A part of n windows, 0.1 everywhere but 1.0 at the `hot` (row, window)."""
    probability = np.full((2 * w + 1, n), 0.1)
    if hot is not None:
        probability[hot] = 1.0
    end_s = start_s + (n + 4) / 25
    defaults: dict[str, object] = {"heading": "part", "probability": probability, "first_window_s": start_s + 0.08}
    return MapPart(start_s, end_s, **(defaults | options))  # type: ignore[arg-type]


def colours(figure: Figure) -> Callable[[int, float, float], str]:
    """Name of the colour at a place (axes, x, y) of the drawn figure: axes 0 is the map, 1 the speaker's bar."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())

    def colour_at(axes: int, x: float, y: float) -> str:
        column, row = figure.axes[axes].transData.transform((x, y))
        seen = pixels[pixels.shape[0] - 1 - int(row), int(column), :3].astype(int)
        names = [name for name, colour in NAMED.items() if np.abs(seen - 255 * np.array(to_rgb(colour))).max() < 3]
        return names[0] if names else str(seen)

    return colour_at


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(
    ("row", "zero", "offset"),
    [
        pytest.param(12, 0, 3, id="row 12 of w 15 is offset 3"),
        pytest.param(15, 0, 0, id="middle row"),
        pytest.param(12, 1, 2, id="the checkpoint's zero is taken off"),
        pytest.param(0, 0, 15, id="first row is on top"),
    ],
)
def test_a_cell_stands_at_its_time_and_offset(row: int, zero: int, offset: int) -> None:
    # window 50 of a track that begins at 5 s speaks for image 125 + 52 = 177: 7.08 s to 7.12 s
    colour = colours(draw_map([part((row, 50), start_s=5.0, zero_offset_frames=zero)], ""))
    assert colour(0, 7.10, offset) == "likely"
    for x, y in [(7.06, offset), (7.14, offset), (7.10, offset - 1), (7.10, offset + 1 if row else offset - 2)]:
        assert colour(0, x, y) == "unlikely"


def test_cells_that_do_not_count_have_no_colour() -> None:
    probability = np.full((31, 121), 0.1)
    probability[0, :10] = np.nan
    assert colours(draw_map([part(probability=probability)], ""))(0, 0.2, 15) == "background"


def test_the_offset_is_named_beside_an_arrow_and_its_row_stays_visible() -> None:
    figure = draw_map([part((12, 60), offset_frames=3)], "")
    assert "+3" in texts(figure)
    assert colours(figure)(0, 0.08 + 60.5 / 25, 3) == "likely"
    lines = figure.axes[0].collections[0].get_segments()  # type: ignore[attr-defined]
    assert [(line[0, 1], line[1, 1]) for line in lines] == [(2.5, 2.5), (3.5, 3.5)]


def test_the_bar_shows_when_the_face_speaks_when_not_and_what_was_not_measured() -> None:
    probability = np.full((31, 121), 0.9)
    probability[11:14, 100:] = np.nan  # rows of offsets 4, 3, 2 from window 100 (image 102, 4.08 s) on
    figure = draw_map([part(probability=probability, offset_frames=3, onscreen_s=[(1.0, 2.0)])], "")
    colour = colours(figure)
    assert [colour(1, x, 0.5) for x in (0.5, 1.5, 2.5, 4.5)] == ["silent", "speaks", "silent", "white"]


@pytest.mark.parametrize("offset", [3, -2])
def test_the_grey_share_of_the_bar_is_the_offscreen_ratio(offset: int) -> None:
    cells = np.full((31, 96), -0.4)
    cells[15 - offset, 40:] = 0.4
    cells[:, 90:] = np.nan  # no sound there
    found = measure(cells, np.isfinite(cells), tau=0.1)
    assert found is not None
    speaks = [(one["start_s"], one["end_s"]) for one in onscreen_intervals_s(found.onscreen_windows, first_image=125)]
    drawn = part(start_s=5.0, probability=probability_map(cells, np.isfinite(cells), 0.1), offset_frames=offset, onscreen_s=speaks)
    colour = colours(draw_map([drawn], ""))
    seen = [colour(1, 5.08 + (j + 0.5) / 25, 0.5) for j in range(96)]
    assert seen[90:] == ["white"] * 6
    assert 0.3 < found.offscreen_ratio < 0.6
    assert seen[:90].count("silent") / 90 == pytest.approx(found.offscreen_ratio)
    assert seen[:90].count("speaks") / 90 == pytest.approx(1 - found.offscreen_ratio)


def test_the_person_stands_beside_the_map_with_a_frame_around_the_face() -> None:
    image = np.full((120, 160, 3), 40, np.uint8)
    alone, beside = draw_map([part()], ""), draw_map([part()], "", Still(image, 1.24, (40, 20, 80, 90)))
    axes = beside.axes[-1]
    assert axes.get_title() == "the face at 1.24 s"
    assert axes.patches[0].get_bbox().extents.tolist() == [40, 20, 80, 90]  # type: ignore[attr-defined]
    assert beside.get_size_inches()[0] > alone.get_size_inches()[0]
    colours(beside)
    assert axes.get_window_extent().x0 > beside.axes[0].get_window_extent().x1
    assert len(alone.axes) == 3, "without a person there is no room kept for one"


def test_parts_stand_side_by_side_and_a_failed_one_says_why() -> None:
    failed = MapPart(10.0, 13.0, "part 2", reason="no_face: no face on 25 images")
    figure = draw_map([part(), part(start_s=5.0, w=30), failed], "clip.mp4")
    axes = figure.axes[0]
    assert axes.get_xlim() == (0.0, 13.0)
    assert axes.get_ylim() == (-30.5, 30.5)
    assert "no_face: no face on 25 images" in texts(figure)
    assert [image.get_extent() for image in axes.images] == [
        pytest.approx([0.08, 4.92, -15.5, 15.5]),
        pytest.approx([5.08, 9.92, -30.5, 30.5]),
    ]


def test_a_clip_of_which_nothing_was_measured_can_be_drawn() -> None:
    figure = draw_map([MapPart(0.0, 3.0, "part 0", reason="silent: nothing")], "")
    assert len(figure.axes) == 2, "a map without cells has no colour bar"
    assert "silent: nothing" in texts(figure)


def test_headings_that_do_not_fit_are_left_out() -> None:
    wide = draw_map([part(heading="part 0: +3\np at offset 0.97")], "")
    many = draw_map([part(start_s=5.0 * i, heading="part 0: +3\np at offset 0.97", offset_frames=3) for i in range(60)], "")
    assert "part 0: +3\np at offset 0.97" in texts(wide)
    assert "part 0: +3" in texts(many)
    assert "part 0: +3\np at offset 0.97" not in texts(many)


def test_a_long_title_is_broken_into_lines_that_fit() -> None:
    figure = draw_map([part()], "name" * 30 + ".mp4\n" + "the sound leads the picture " * 8)
    colours(figure)
    title = figure.get_suptitle()
    assert "".join(title.split()) == "name" * 30 + ".mp4" + "thesoundleadsthepicture" * 8
    assert figure.texts[0].get_window_extent().x1 <= figure.bbox.x1


def test_a_long_clip_is_no_wider_than_forty_inches_and_names_no_offsets() -> None:
    long = draw_map([part(start_s=5.0 * i, offset_frames=3) for i in range(150)], "")
    assert long.get_size_inches()[0] == 40
    assert "+3" not in texts(long)


def test_no_part_is_no_map() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        draw_map([], "")


@pytest.mark.parametrize("title", ["a $x_1 clip.mp4", "\u65e5\u672c.mp4", "caf\udce9.mp4", "100% {sure}.mp4"])
def test_any_file_name_can_be_drawn(title: str, tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    write_png(draw_map([part(heading=title)], title), out)
    assert out.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_an_older_picture_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    out.write_text("old")
    write_png(draw_map([part()], ""), out)
    assert out.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [out]


def test_a_picture_that_cannot_be_finished_leaves_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(self: Figure, path: Path, **options: object) -> None:
        Path(path).write_bytes(b"\x89P")
        raise OSError("No space left on device")

    out = tmp_path / "map.png"
    out.write_text("old")
    monkeypatch.setattr(Figure, "savefig", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_png(draw_map([part()], ""), out)
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]
