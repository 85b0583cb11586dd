"""Where source text is found, and where there is none."""

from __future__ import annotations

import linecache

from probgen.results.sources import source_text


def test_of_a_function_without_its_indentation():
    def inner():
        return 1

    assert source_text(inner) == "def inner():\n    return 1\n"


def test_none_for_what_has_no_source():
    assert source_text(len) is None
    assert source_text(3) is None


def test_none_for_code_whose_file_is_something_else():
    # A file in which the line of the function opens a bracket that nothing closes.
    linecache.cache["letter.md"] = (9, None, ["(an aside\n", "that never ends\n"], "letter.md")
    namespace: dict = {}
    exec(compile("def f():\n    return 1\n", "letter.md", "exec"), namespace)
    assert source_text(namespace["f"]) is None
