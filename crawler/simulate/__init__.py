"""A whole crawl in one process under made-up time, on a disk that forgets, from a seed: what may go wrong, does."""
