"""Where bytes go: all or nothing."""
