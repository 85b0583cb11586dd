"""The same model under many methods and seeds: errors, costs, failures, side by side."""
