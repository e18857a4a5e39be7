"""The only door to HTTP: an exchange in, `Failure | None` out."""
