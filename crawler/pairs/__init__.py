"""Pairs of sketch and coloured picture: candidates from descriptions, judged by people, made a data set."""
