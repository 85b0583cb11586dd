"""Reading results that Pyro itself made: MCMC runs, guides, dictionaries of samples."""
