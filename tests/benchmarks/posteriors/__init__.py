"""probgen beside nutpie on the posteriors of posteriordb that have reference draws."""
