"""Writer of the UAI format, and reader and writer of the result files of its competitions.

`.MAR` marginals, `.PR` the decimal logarithm of the partition function (or of the probability
of evidence), `.MPE` the most probable explanation.
"""
