"""Labels of draws: found where a program has them, and a row of a picture for each class."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from probgen.learn.draws import draw_rows
from probgen.learn.labels import are_labels, classes_of, label_of, placed_at, rows_by_class
from tests.learn.shaded import Shaded

Y = torch.arange(30) % 3
ROWS = {"x": Y[:, None] / 2 + torch.zeros(30, 16), "y": Y}


def label(model, rows=ROWS):
    return label_of(model, rows, draw_rows(model, rows, 0, True), True)


@pytest.mark.parametrize(("how", "found"), [("drawn", "y"), ("given", "y"), ("ignored", None)])
def test_labels_are_drawn_or_given_and_not_such_as_the_program_ignores(how, found):
    assert label(Shaded(how)) == found


def test_points_without_labels_counts_and_lone_labels_have_none():
    assert label(Shaded("given"), {**ROWS, "y": torch.arange(40.0)[:30] + 0.5}) is None
    assert label(Shaded("given"), {**ROWS, "y": torch.arange(400)[:30] * 2 + 1}) is not None
    many = {name: value.repeat(3, *[1] * (value.dim() - 1)) for name, value in ROWS.items()}
    assert label(Shaded("given"), {**many, "y": torch.arange(90)}) is None
    model = Shaded()
    assert label_of(model, {"y": Y}, {"y": Y}, True) is None
    assert not are_labels(np.zeros(5))
    assert are_labels(np.zeros(5), np.arange(3))  # collapsed to one class of three


def test_classes_are_those_of_draws_and_data_without_missing_ones():
    assert classes_of([2, 0, 2], [0, 1, -1]) == [0.0, 1.0, 2.0]
    assert classes_of([0.0, 1.0], [np.nan, 3.0]) == [0.0, 1.0, 3.0]
    assert classes_of([-1, 1], [-1, 1]) == [-1.0, 1.0]  # drawn, so they are no missing ones


def test_a_row_holds_the_first_draws_of_its_class_and_white_where_there_are_no_more():
    numbers = rows_by_class(torch.tensor([2, 0, 2, 2, 0]), [0, 1, 2], 2)
    assert numbers.tolist() == [[1, 4], [-1, -1], [0, 2]]
    placed = placed_at(torch.arange(5)[:, None] * torch.ones(1, 3), numbers.ravel())
    assert placed.shape == (6, 3)
    assert placed[[0, 1, 4, 5], 0].tolist() == [1.0, 4.0, 0.0, 2.0]
    assert np.isnan(placed[2:4]).all()
