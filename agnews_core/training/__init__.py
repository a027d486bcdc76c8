"""One training run, from news to a saved adapter, and what it will take."""
