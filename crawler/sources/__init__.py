"""Where ids come from: a stream, never a list in memory."""
