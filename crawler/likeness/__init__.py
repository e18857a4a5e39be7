"""Tells whether two pictures are drawn on the same lines. Needs numpy (extra [dataset]); knows nothing of a crawl."""

WAY = 3
"""Another number for each way to match: what was noted of one is not taken for what another would find."""
