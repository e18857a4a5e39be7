"""One crawl by many processes: leased shards, one budget for all, and a log merged from commits."""
