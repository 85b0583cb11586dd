"""Generative models of different families side by side: `compare` of fits on one data set.

`entries` reads what was given, `draws` draws from each, `likelihoods` finds log-likelihoods where
there are any, `study` runs and measures all, `result` holds it, `pictures` and `page` show it.
"""
