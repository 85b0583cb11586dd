"""The page of a fitted program: history for any, and of Boltzmann machines what they have learned.

`cases` reads the data, `likelihood`, `filters`, `samples`, `match` and `inpainting` each make one
section, `page` puts them together for the templates of `probgen.diagnose.report`.
"""
