"""When to change each setting, and what to bear in mind: what a model's own description has no room for."""

ADVICE: dict[str, str] = {
    "source.kind": '`urls` goes with `site.name = "urls"`; where one of the two is set, the other follows.',
    "source.path": "Empty lines and what follows a `#` are skipped, a repeated id counts once. Standard input "
    "is copied "
    "to `.crawl/` first, because a list is read twice: counted, then worked off.",
    "source.column": "Set it when a csv has other columns that look like ids.",
    "source.key_column": "Set it when your rows have a name of their own that should be the file's name.",
    "site.name": "`urls` makes no metadata request: what is listed is fetched as it is.",
    "site.quality": "`regular` is a JPEG of at most 1200 pixels: far fewer bytes. `small` and `thumb` are for trying "
    "things out.",
    "site.fallback": "Turn it off when nothing but originals may be in the set; the image then counts as failed.",
    "site.session_file": "Without one, works that the site hides from visitors end as `gone: restricted`. Read "
    "[terms](../terms.md) before you set it. Or put the value into the variable `CRAWLER_SITE__SESSION`.",
    "filter.max_x_restrict": "The site shows rated works to sessions only.",
    "filter.ai": "Works from before late 2022 carry no mark; they count as not made by AI.",
    "filter.min_bookmarks": "The number at the time of asking. A cheap measure of quality.",
    "filter.max_pages": "Leaves whole works out, it does not cut them: for lists with comics of hundreds of pages.",
    "filter.kinds": "Leave `ugoira` out when your training cannot use animations.",
    "filter.tags_any": "Whole tags as the artists wrote them, regardless of case; translations do not count.",
    "filter.tags_none": "Whole tags, as in `tags_any`; it wins where both apply.",
    "output.dir": "One process at a time writes to a folder. Another list in the same folder goes on in it.",
    "output.durability": "`none` leaves the syncing to the system: faster on slow disks, and a power cut may then cost "
    "lines and files of the last seconds. A killed process loses nothing either way.",
    "output.work_dir": "For object stores: the log is written here and published from here, so name a disk that stays. "
    "Lost with the machine, it is fetched from the store again.",
    "output.publish_s": "For object stores. Shorter: less is fetched again after a machine was lost, and more small "
    "objects lie under log/.",
    "output.reserve_mb": "Raise it when something else on that disk needs room to breathe.",
    "limits.works": "Bounds memory and open files. More helps only where answers are slow and rates are high; "
    "`crawler tune` measures it.",
    "limits.memory_mb": "A body that finds no room waits for it.",
    "limits.drain_s": "What is not finished by then is fetched again by the next run. A second Ctrl-C stops now.",
    "limits.api.rate": "The polite pace for an account; blocks begin at about 0.8 a second kept up for long. "
    "Logged out, "
    "or on a host of your own, more may be fine.",
    "limits.api.burst": "Not saved up across a restart.",
    "limits.api.connections": "More than `rate` times the seconds a reply takes is never used.",
    "limits.api.adaptive": "Off, it only waits out blocks.",
    "limits.images.rate": "Images have not been seen to be refused for speed; their volume is what accounts "
    "were warned for.",
    "limits.images.burst": "The pages of one work come at once: 2 lets them overlap.",
    "limits.images.connections": "Big files over a slow line profit from a few more.",
    "limits.images.adaptive": "Off, it only waits out blocks.",
    "limits.daily.requests": "Remembered across restarts; used up, the run waits until some of the last 24 "
    "hours has passed.",
    "limits.daily.gb": "Set it when a session is used: accounts were warned at about 50 GB in a short time.",
    "network.connect_s": "Raise it on lines with long ways.",
    "network.idle_s": "Raise it when `idle` is a frequent reason of failure.",
    "network.min_kb_s": "In kilobytes a second; 0 waits for ever, as long as some byte comes in time.",
    "network.max_body_mb": "In megabytes. A larger image fails for good as `too_large`.",
    "network.max_redirects": "From https to http none is followed.",
    "network.proxy": "HTTPS goes through it by CONNECT. A password in it is not shown by `crawler config`.",
    "network.transport": "`aiohttp` when libcurl gives you trouble; please report that.",
    "network.user_agent": "Say who you are and how you can be reached, where a host asks for that.",
    "network.robots": "`ignore` is your own responsibility: for hosts of your own.",
    "network.ca_file": "PEM. Behind a company's proxy, or for the stand-in.",
    "network.resolve": "Written as a table, or `--network.resolve.HOST IP:PORT`. For mirrors and the stand-in; "
    "an address "
    "named here may be private.",
    "network.allow_private": "Lists of URLs from elsewhere could otherwise make your machine ask your own router.",
    "retry.attempts": "Refusals (429, 503) do not count: they slow the host down instead.",
    "retry.base_s": "Half of each pause is chance, so that many failures do not come back at once.",
    "retry.cap_s": "A `Retry-After` of the host is obeyed beyond it, up to an hour.",
    "log.commit_ms": "What a crash can cost in work done twice. Longer means fewer syncs, on slow disks.",
    "collect.kind": "What stands on the list that is collected from.",
    "collect.path": "As in `source.path`, a `#` begins a comment.",
    "collect.tags": "Handy on the command line: `--collect.tags cat --collect.tags dog`.",
    "collect.match": "`partial` also finds tags that contain it: far more, and far less to the point.",
    "collect.cap_pages": "1000 for a free account, 5000 for a premium one. Longer searches are read in slices of days.",
    "collect.empty_wait_s": "Who asks too fast gets an empty page. Less wait, more lists that look shorter than they "
    "are.",
    "collect.since": "By the day of publication.",
    "collect.until": "By the day of publication.",
    "collect.lists": "They share the rate of `limits.api`: more does not make it faster, it fills the waits.",
    "collect.out": "Begun again, it goes on where it stopped.",
    "cluster.workers": "Where one process keeps a core busy. It makes no site faster: all share one budget.",
    "ui.progress": "`auto` is the screen on a terminal and plain lines elsewhere.",
    "ui.page_port": "On this machine only, unless `page_host` says otherwise.",
    "ui.page_host": "The URL then holds a token, and the connection is plain HTTP: for networks you trust.",
}
