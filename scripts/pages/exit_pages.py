"""docs/reference/exit-codes.md."""

from __future__ import annotations

from written import page as joined
from written import table

RUN = {
    0: (
        "Every id has its final outcome, and no image failed.",
        "Nothing. `crawler verify` and `crawler export` are next.",
    ),
    1: (
        "An error inside the program.",
        "What was stored is safe. Run the same command again; report it, with what `-v` adds.",
    ),
    2: (
        "A mistake in the command line, the config or the list; or another process uses the folder.",
        "Each mistake is named with its file and line. Nothing was asked of any site.",
    ),
    3: (
        "Finished; some images failed for good.",
        "`crawler tail DIR --failed` says which and why. `run --recheck failed` asks again.",
    ),
    4: ("Finished; something failed in a way that another run may cure.", "Run the same command again."),
    5: (
        "The site refused the session.",
        "Log in with a browser, put the fresh value into the session file, run again.",
    ),
    6: (
        "Stopped by a limit: the site blocks us, or a budget of the day is used up (`--no-wait`).",
        "Wait some hours, lower `limits.api.rate`, run again. Nothing is ever done to get around a block.",
    ),
    7: (
        "Disk or log trouble: no room, a write or an fsync failed, a damaged log.",
        "Make room, or follow what is said (`crawler verify DIR --repair` for a log). Nothing confirmed was lost.",
    ),
    130: ("You stopped it (Ctrl-C), after a clean drain.", "The same command goes on."),
    143: ("A signal stopped it (SIGTERM), after a clean drain.", "The same command goes on."),
}
OTHERS = {
    "crawler collect": {
        0: "every list is read to its end",
        3: "something is missing for good: a list that is not there, a day with more works than the site shows",
        4: "something failed in a way that another run may cure",
    },
    "crawler verify": {
        0: "sound; with `--repair`: all that was found is mended or queued again",
        2: "there is no log; or, with `--repair`, a run is on",
        3: "not sound",
        7: "the log is damaged (until repaired), or the disk cannot be read",
    },
    "crawler verify --against": {
        0: "everything that the manifest names is here, byte for byte",
        2: "there is no manifest",
        3: "something differs",
    },
    "crawler run --manifest": {
        2: "a line of the manifest is none, or contradicts another: nothing was asked",
        3: "finished, but not the set that the manifest names: images that changed or are gone, which are counted",
    },
    "crawler doctor": {0: "a run can begin", 2: "something is in its way"},
    "crawler plan": {0: "planned", 2: "a mistake in the config, or not one line of the list is an id"},
    "crawler export": {
        0: "whole",
        2: "a mistake, or nothing to export",
        3: "whole but for images that are not as the log says, which are named",
        130: "interrupted; the same command goes on",
    },
    "crawler status, tail, report": {0: "shown", 2: "there is no log", 7: "the log cannot be read or is damaged"},
    "crawler simulate": {0: "every law held in every world", 1: "one did not; the line to play it again is printed"},
}


def page() -> str:
    """The page."""
    rows = [(f"`{code}`", what, do) for code, (what, do) in RUN.items()]
    others = [(f"`{name}`", f"`{code}`", what) for name, codes in OTHERS.items() for code, what in codes.items()]
    return joined(
        "# Exit codes",
        "Of `crawler run` and `crawler demo`. Where 3 and 4 are both true it is 4; a script may then repeat the "
        "command.",
        table(("code", "what happened", "what to do"), rows),
        "Of the other commands, where they differ:",
        table(("command", "code", "means"), others),
        "Everywhere: 2 for usage, 7 for a disk that fails, 1 for a bug, 130 after Ctrl-C.",
    )
