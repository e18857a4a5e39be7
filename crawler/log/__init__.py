"""The append-only log: codec, lock, repair, replay, group commit."""
