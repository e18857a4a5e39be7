"""The only owner of tasks: runs a crawl from its source to its last log line."""
