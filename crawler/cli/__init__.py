"""The commands of design.md 1.1."""
