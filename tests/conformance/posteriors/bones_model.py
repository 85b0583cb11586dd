"""Skeletal age of children from graded bones, cutpoints and discrimination known."""

import numpy as np
import pyro

from tests.conformance.families.priors import normals

POSTERIORS = ("bones_data-bones_model",)


def program(child, delta, low, high, children):
    theta = normals("theta", children, 0.0, 36.0)[child]
    above = (delta * (theta - low)).sigmoid()
    pyro.factor("grades", (above - (delta * (theta - high)).sigmoid()).log().sum())


def data(raw):
    """One row per observed grade: between which cutpoints it lies."""
    rows = []
    for who, grades in enumerate(raw["grade"]):
        for bone, grade in enumerate(grades):
            if grade != -1:
                cuts = [-np.inf, *raw["gamma"][bone][: raw["ncat"][bone] - 1], np.inf]
                rows.append((who, raw["delta"][bone], cuts[grade - 1], cuts[grade]))
    child, delta, low, high = map(np.array, zip(*rows, strict=True))
    return {"child": child, "delta": delta, "low": low, "high": high, "children": raw["nChild"]}
