"""Posteriors with known answers, or none, sampled by `infer` and printed as one table.

``python -m tests.conformance`` runs them. A posterior is one small file in `posteriors/`:
`POSTERIORS` (its names in posteriordb), `program` (the Pyro program), `data` (from posteriordb's
`data.json` to the program's arguments), and if need be `METHOD`, `INIT`, `DRAWS` (settings of
`infer`), `RENAMED` (reference's parameter -> our variable) and `EXPLAINED` (why chains of this
posterior cannot agree). `families/` holds what several of them share.
"""
