"""The report: one or several results as one HTML page that needs nothing else.

`runs` reads results, `pictures`, `predictive`, `table`, `comparison`, `explorer` and
`provenance` each make one part of the page, `page` puts them into the templates, `write` is the
public call.
"""

from probgen.diagnose.report.write import report

__all__ = ["report"]
