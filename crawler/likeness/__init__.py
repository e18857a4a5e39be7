"""Tells whether two pictures are drawn on the same lines. Needs numpy (extra [dataset]); knows nothing of a crawl."""
