"""From tags, users, bookmarks and links to ids: settings, job, its log, and the list it leaves."""
