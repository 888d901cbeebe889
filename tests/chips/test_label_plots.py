"""What the pictures of a label table say."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.text import Text

from spacer_like.chips.grid import Cell
from spacer_like.chips.labels import label_plots
from spacer_like.chips.labels.chip_positions import ChipPositions
from spacer_like.chips.labels.label_plots import (
    correlation_picture,
    distribution_picture,
    map_picture,
    phi_coefficients,
)
from spacer_like.exceptions import TileError
from spacer_like.tables.label_table import LabelTable

CELL = Cell(33, "031111212322")


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, instead of files."""
    figures = []
    monkeypatch.setattr(label_plots, "write_figure", lambda figure, *_: figures.append(figure))
    return figures


def table_of(cells, labels=("forest", "water", "never"), seed=0):
    names = [f"{cell.name}_1050410012C31100.jpg" for cell in cells]
    targets = np.random.default_rng(seed).random((len(names), len(labels))) < 0.4
    if "never" in labels:
        targets[:, labels.index("never")] = False
    return LabelTable(names, labels, targets)


def words(figure):
    figure.draw_without_rendering()
    return [one.get_text() for one in figure.findobj(Text) if one.get_visible() and one.get_text()]


def outside(figure):
    frame = figure.bbox.padded(2)
    texts = [one for one in figure.findobj(Text) if one.get_visible() and one.get_text().strip()]
    boxes = [(one.get_text(), one.get_window_extent()) for one in texts]
    gone = [text for text, box in boxes if not (frame.contains(*box.min) and frame.contains(*box.max))]
    # Ticks beyond an axis's range keep a text that is never drawn.
    return [text for text in gone if not text.lstrip("−").replace(".", "").isdigit()]


def test_a_distribution_shows_the_most_frequent_labels_first_with_their_numbers(drawn):
    table = table_of(CELL.children(15))
    distribution_picture(table, "x.png")
    said = words(drawn[0])
    counts = table.counts()
    order = sorted(counts, key=lambda label: -counts[label])
    assert [word for word in said if word in counts] == order
    assert f"{counts['water']:,}  {100 * counts['water'] / 64:.3g} %" in said
    without = int((~table.targets.any(axis=1)).sum())
    assert f"64 chips, {without} of them with no label; 3 labels" in said
    bars = [patch.get_height() for patch in drawn[0].axes[1].patches]
    assert bars == np.bincount(table.targets.sum(axis=1)).tolist()


def test_phi_is_the_correlation_of_columns():
    targets = np.random.default_rng(1).random((200, 5)) < [0.1, 0.5, 0.9, 0.3, 0.6]
    assert np.allclose(phi_coefficients(targets), np.corrcoef(targets.T))
    same = np.stack([targets[:, 0], targets[:, 0], ~targets[:, 0], np.ones(200, bool)], axis=1)
    phi = phi_coefficients(same)
    assert phi[0, 1] == pytest.approx(1)
    assert phi[0, 2] == pytest.approx(-1)
    assert np.isnan(phi[3]).all()


def test_a_correlation_names_the_labels_in_the_tables_order(drawn):
    labels = ("barn", "forest", "water")
    targets = np.arange(6)[:, None] < [3, 1, 5]
    names = [f"{cell.name}_1050410012C31100.jpg" for cell in CELL.children(15)[:6]]
    correlation_picture(LabelTable(names, labels, targets), "x.png")
    axes = drawn[0].axes[0]
    assert tuple(tick.get_text() for tick in axes.get_yticklabels()) == labels


def test_a_correlation_says_where_nothing_can_be_said(drawn):
    correlation_picture(table_of(CELL.children(15)), "x.png")
    assert words(drawn[0]).count("–") == 5
    assert drawn[0].axes[0].images[0].get_clim() == (-1, 1)


def test_a_map_has_each_chip_where_it_is(drawn):
    table = table_of(CELL.children(14)[:12])
    map_picture(table, "x.png")
    image = drawn[0].axes[0].images[0]
    values = np.asarray(image.get_array())
    assert values.ravel().tolist() == table.targets.sum(axis=1).tolist()
    west, south, east, north = (metres / 1000 for metres in CELL.bounds)
    assert image.get_extent() == [west, east, pytest.approx(south + 1.25), north]
    assert "easting in km, EPSG:32633 (UTM zone 33N)" in words(drawn[0])


def test_a_map_of_a_label_says_where_it_is_borne(drawn):
    table = table_of(CELL.children(14))
    map_picture(table, "x.png", "water")
    assert np.asarray(drawn[0].axes[0].images[0].get_array()).ravel().tolist() == table.targets[:, 1].tolist()
    assert {f"with the label ({table.counts()['water']})", "Where water is"} <= set(words(drawn[0]))


def test_chips_of_the_south_have_southern_metres():
    cell = Cell(23, "211111111111")
    mosaic = ChipPositions.of(table_of(cell.children(13)).names).mosaic(np.arange(4.0))
    assert mosaic.bounds == pytest.approx([metres / 1000 for metres in cell.bounds])
    assert "EPSG:32723" in mosaic.axes[0]
    assert mosaic.image.tolist() == [[0, 1], [2, 3]]


def test_chips_far_apart_are_drawn_in_larger_squares_by_their_mean():
    far = Cell.at(33, 12, CELL.column, CELL.row + 200)
    names = table_of([*CELL.children(13), *far.children(13)]).names
    mosaic = ChipPositions.of([*names, table_of(CELL.children(17)[:1]).names[0]]).mosaic(np.arange(9.0))
    assert mosaic.is_aggregated
    assert mosaic.side == 2500
    assert mosaic.image.shape == (402, 2)
    assert mosaic.image[0].tolist() == [4, 1]
    assert mosaic.n_tiles == 2
    assert np.isnan(mosaic.image[2:-2]).all()


def test_a_great_extent_has_no_more_squares_than_fit():
    far = Cell.at(33, 12, CELL.column + 3, CELL.row + 900)
    mosaic = ChipPositions.of(table_of([*CELL.children(17), *far.children(17)]).names).mosaic(np.ones(2048))
    assert max(mosaic.image.shape) <= 1024
    assert mosaic.largest == 1


def test_chips_of_several_zones_are_drawn_by_longitude_and_latitude(drawn):
    other = Cell(35, "013133103003")
    map_picture(table_of([*CELL.children(14), *other.children(14)]), "x.png")
    points = np.asarray(drawn[0].axes[0].collections[0].get_offsets())
    assert len(points) == 2
    assert points[1].tolist() == pytest.approx([24.97, 60.17], abs=0.05)
    assert "longitude in degrees (WGS84)" in words(drawn[0])


@pytest.mark.parametrize("draw", [distribution_picture, correlation_picture, map_picture])
@pytest.mark.parametrize("labels", [("a",), tuple(f"{n} a long label, long, longer $\\frac{{1" for n in range(60))])
def test_every_text_is_in_the_picture_for_one_label_and_for_sixty(drawn, draw, labels):
    draw(table_of(CELL.children(16), labels), "x.png")
    words(drawn[0])
    assert outside(drawn[0]) == []


def test_a_name_that_tells_no_place_has_no_map():
    with pytest.raises(TileError, match="holiday"):
        map_picture(LabelTable(["holiday.jpg"], ("a",), np.ones((1, 1), bool)), "x.png")


def test_a_table_without_chips_is_drawn(drawn):
    empty = LabelTable([], ("a", "b"), np.ones((0, 2), bool))
    distribution_picture(empty, "x.png")
    correlation_picture(empty, "x.png")
    assert "0 chips, 0 of them with no label; 2 labels" in words(drawn[0])


@pytest.mark.parametrize(("bounds", "size"), [((0, 0, 1, 100), (1.6, 6.2)), ((0, 0, 100, 1), (6.2, 1.6))])
def test_a_picture_of_a_narrow_strip_keeps_room_for_its_axes(bounds, size):
    assert label_plots._fitted(SimpleNamespace(bounds=bounds, squeeze=1.0)) == size
