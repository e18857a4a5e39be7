"""The stand-in site: a pure function of (seed, id), served over TLS on loopback, with a fault profile."""
