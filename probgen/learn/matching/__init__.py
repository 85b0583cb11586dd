"""Programs learned by holding their draws against data: no density, no guide, no critic."""
