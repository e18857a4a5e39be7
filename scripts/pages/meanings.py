"""What every reason of the log means, and what a person can do."""

from __future__ import annotations

GONE = {
    "not_found": (
        "Deleted, never existed, or private: the site does not tell which.",
        "Nothing. `--recheck gone` asks again, for works that came back.",
    ),
    "restricted": (
        "It exists, and the site hides it from this visitor: rated works, and many others, from who is not logged in.",
        "Ask with a session, at [the risk of the account](../terms.md): then `--recheck restricted`.",
    ),
    "filtered": (
        "A rule of `[filter]` refuses it; its images were never asked for.",
        "Change the rule, then `--recheck gone`.",
    ),
    "unsupported": ("A kind of work that this version does not know.", "Try a newer version, then `--recheck gone`."),
    "purged": ("You took it out with `crawler purge`.", "It is never asked for again."),
}
RULES = {
    "max_x_restrict": "is rated higher than asked for",
    "ai": "is, or is not, marked as made by AI",
    "min_bookmarks": "has fewer bookmarks",
    "max_pages": "has more pages",
    "kinds": "is of a kind that is not wanted",
    "tags_any": "has none of the tags",
    "tags_none": "has one of the tags",
    "manifest": "has none of the pages that the manifest names (`run --manifest`)",
}
FAILURES = {
    "dns": ("The host's name could not be looked up.", "Look at the name and at your resolver."),
    "connect": ("Nobody took the connection: refused, or no way there.", "Is the network up? Is the host?"),
    "connect_timeout": ("No connection within `network.connect_s`.", "The same; or raise it."),
    "tls": (
        "No trust: a certificate of another name, expired, or of an unknown authority; or the handshake broke.",
        "`crawler doctor` looks at the clock and the certificates. Behind a company's proxy name its CA in "
        "`network.ca_file`.",
    ),
    "proxy": ("The proxy refused, or cannot be reached.", "Look at `network.proxy`."),
    "reset": (
        "The connection broke before the answer was whole.",
        "The next run goes on from the bytes that are here.",
    ),
    "idle": ("No byte came for `network.idle_s`.", "Fewer `connections`, or a longer `idle_s`."),
    "slow": ("Slower than `network.min_kb_s` for half a minute, or no complete head in time.", "The same."),
    "truncated": (
        "The body ended before its length, or before the trailer that its format has.",
        "The next run goes on from there.",
    ),
    "protocol": ("The answer is not HTTP as it should be.", "A proxy in between? Or a server in trouble."),
    "address_refused": (
        "The name leads to a private, loopback or metadata address.",
        "If that is your own network, say so in `network.allow_private` or `network.resolve`; then `--recheck failed`.",
    ),
    "redirect": (
        "Too many redirects, one without a target, or one from https to http.",
        "If it is that, raise `network.max_redirects`; then `--recheck failed`.",
    ),
    "robots": ("The host's robots.txt disallows it.", "Leave it. `network.robots` is for hosts of your own."),
    "bad_url": ("The URL cannot be one.", "Mend the list."),
    "rate_limited": ("429: too fast, again and again.", "Lower the rate. Run again later."),
    "unavailable": ("503: out of service, or too fast.", "Run again later."),
    "server_error": (
        "Another status of 500 and above. Said by a gateway (502, 504, 520 to 527) it is never for good.",
        "For an image nothing: some originals are broken for ever.",
    ),
    "forbidden": ("401 or 403.", "A few are nothing to be done about. Many: stop, and wait some hours."),
    "challenge": (
        "A page that asks whether a human is there.",
        "Wait some hours, lower the rate. It is never answered.",
    ),
    "session_refused": (
        "401 to a session: expired, or the account is closed.",
        "Log in with a browser; a fresh session file.",
    ),
    "not_found": (
        "404 or 410 to an image. (A work that is not there is `gone`.)",
        "`--recheck failed` asks for the work's URLs anew.",
    ),
    "status": ("A status that means none of the others.", "Look at `crawler tail DIR --failed`."),
    "too_large": ("More bytes than `network.max_body_mb`.", "Raise it, then `--recheck failed`."),
    "encoding": ("Compressed in a way that was not asked for, or badly.", "A proxy in between?"),
    "bad_reply": (
        "The site's answer is not what this version can read.",
        "If many works have it, the site has changed: look for a newer version.",
    ),
    "not_an_image": ("The bytes are no image of a known format: an error page, say.", "Look at the URL in a browser."),
    "placeholder": ("The site's picture for what it does not show.", "As for `restricted`."),
    "range": ("The host sent another part than was asked for.", "`--recheck failed`, some days later."),
    "broken": ("An image whose structure does not hold.", "Nothing: so the site has it."),
}
CLOSED = {
    "finished": ("The list was worked off.", "0, 3 or 4"),
    "interrupted": ("You, or a signal, ended it; what was in flight was finished first.", "130 or 143"),
    "session_refused": ("The site refused the session.", "5"),
    "blocked": ("The site blocks us: a challenge, or refusal after refusal.", "6"),
    "daily_budget": ("`limits.daily` is used up, and `--no-wait` was given.", "6"),
    "storage": ("The disk: no room, or a write that failed.", "7"),
    "source": ("The list cannot be read any more, or changed during the run.", "2"),
}
THROTTLED = {
    "rate_limited 429": "The host refused: nothing goes before `until`, then `rate`.",
    "unavailable 503": "The same.",
    "connect, connect_timeout, idle": "Connections fail: slower.",
    "resumed": "The block is over, and at what rate.",
    "recovered": "Back at the rate that was asked for.",
    "limit_gone": "The host's limit that was known is not met any more.",
    "reloaded": "You changed `[limits]` (SIGHUP).",
}
VOIDED = {
    "rechecked": "Asked again (`--recheck`); the newer line says what holds.",
    "replaced": "The artist changed the work: these were the bytes before.",
    "purged": "Taken out by `crawler purge`.",
    "damaged": "What the line said cannot be known after a repair of the log.",
    "missing": "`verify --repair`: the file is not there.",
    "truncated": "`verify --repair`: the file is shorter than the line says.",
    "wrong_size": "`verify --repair`: the file is of another size.",
    "wrong_digest": "`verify --repair`: the bytes are others.",
    "undecodable": "`verify --repair --decode`: the image cannot be decoded.",
    "misplaced": "`verify --repair`: the line's path is no plain file under `images/`.",
}
EVENT_SAYS = {
    "opened": "A run began.",
    "listed": "A part of the ids of the list in use; written only when the log has seen another list before.",
    "described": "The site's answer for a work: every image it has, and its metadata. It is never asked for again.",
    "stored": "An image is safe on disk: checked, synced, named, and its name synced.",
    "gone": "Final: there is nothing to get.",
    "failed": "Gave up on a work or on one image, for now or for good.",
    "voided": "An earlier line no longer holds.",
    "throttled": "The limiter of a host changed its mind. What it has learnt is here for the next run.",
    "spent": "What a host was asked for in five minutes. Written before it is spent, where `limits.daily` has a "
    "budget: of the lines with one log, host and `since` the last counts, and those of several logs add up.",
    "closed": "A run ended.",
}
EVENTS = {
    "opened": {
        "log": ("text", "this log file's own name, the same in all its lines, unique in the world"),
        "format": ("integer", "the version of this format: 1"),
        "version": ("text", "of crawler"),
        "source": ("object", "the list: `path`, `digest` (SHA-256 over its bytes), `ids` (how many)"),
        "settings": ("text", "SHA-256 of what the run obeys, without secrets"),
    },
    "listed": {
        "digest": ("text", "of the list that these ids belong to"),
        "ids": ("text", "base64 of a 64-bit roaring bitmap; of texts it holds 64 bits of each one's BLAKE2b"),
    },
    "described": {
        "id": ("integer", "of the work"),
        "images": ("list", "`page`, `url`, and where known `fallback` (the smaller rendition), `width`, `height`"),
        "work": ("object", "the site's metadata under the site's own names; for ugoira with its frames"),
    },
    "stored": {
        "id": (
            "integer or text",
            "of the work; of site `urls` the first 16 hex digits of the URL's SHA-256, or its key",
        ),
        "page": ('integer or `"zip"`', "0 is the first; `zip` holds the frames of a ugoira"),
        "path": ("text", "below the output folder, with `/`"),
        "bytes": ("integer", "length of the file"),
        "sha256": ("text", "of the file, 64 lower-case hex digits"),
        "mime": ("text", "by the bytes, not by what the server said"),
        "width": ("integer or null", "pixels, by the bytes"),
        "height": ("integer or null", "the same"),
        "quality": ("text", "`original`, or the rendition that was taken"),
        "url": ("text", "as described or listed, never the last hop of a redirect"),
    },
    "gone": {
        "id": ("integer or text", "of the work"),
        "reason": ("text", "[why](outcomes.md#why-a-work-is-gone)"),
        "rule": ("text", "which rule, only where the reason is `filtered`"),
    },
    "failed": {
        "id": ("integer or text", "of the work"),
        "page": ('integer, `"zip"` or null', "the image; null for the work as a whole"),
        "reason": ("text", "[why](outcomes.md#why-something-failed)"),
        "status": ("integer or null", "of HTTP, where there was one"),
        "attempts": ("integer", "tries that were used up"),
        "permanent": ("truth", "true: for good; false: the next run tries again"),
        "detail": ("text", "more for people; left out when empty"),
    },
    "voided": {
        "line": ("object", "`log` and `seq` of the line that no longer holds"),
        "reason": ("text", "[why](outcomes.md#why-a-line-no-longer-holds)"),
        "id": ("integer or text", "of the work that the line was about; left out where it is not known"),
    },
    "throttled": {
        "host": ("text", "whose limiter it is"),
        "rate": ("number", "requests a second from now on; 0 is no limit"),
        "until": ("time or null", "nothing is asked before"),
        "reason": ("text", "[why](outcomes.md#why-a-limiter-changed-its-mind)"),
        "limit": ("number", "the host's own limit as far as it is known, requests a second; 0: not known"),
        "room": ("number", "how many requests of that limit fit at once"),
        "met": ("integer", "how often in a row that limit was met"),
        "again": ("time or null", "when more is tried"),
        "block_s": ("number", "seconds that a block lasted"),
    },
    "spent": {
        "host": ("text", "whose budget of the day it is"),
        "since": ("time", "the beginning of the five minutes that the line is about"),
        "requests": ("integer", "asked, or about to be asked, in them: never less than it was"),
        "bytes": ("integer", "of bodies, as received"),
        "budget_requests": ("integer", "`limits.daily.requests`; 0: none"),
        "budget_bytes": ("integer", "`limits.daily.gb` in bytes; 0: none"),
        "until": ("time or null", "the budget is used up, and the host left alone until then"),
    },
    "closed": {
        "reason": ("text", "[why](outcomes.md#why-a-run-ended)"),
        "totals": ("object", "`listed`, `done`, `gone`, `failed`, `pending` (works), `images`, `bytes`"),
    },
}
ENVELOPE = {
    "log": ("text", "which log the line belongs to"),
    "seq": ("integer", "1, 2, 3, … within that log"),
    "t": ("time", "when the line was written: UTC, ISO 8601, milliseconds"),
    "event": ("text", "one of those below; a reader skips what it does not know"),
    "crc": ("text", "last in the line: the CRC-32 of all bytes of the line before it"),
}
