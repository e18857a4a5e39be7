"""crawler: a list of page ids in, a verified image data set and an append-only log out."""

__version__ = "0.1.0"
