"""An object store: its addresses, its verbs, who may write to a prefix of it, and the log's pieces there."""
