"""Watching a run: pulls snapshots or reads the log; never steers."""
