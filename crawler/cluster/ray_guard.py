"""Ray may end this process without a word, or never answer it: who waits for it is told so, and waits no longer."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Generator
from typing import NamedTuple

START_S = 120.0
"""So long Ray may take to begin, or to answer: it gives up by itself sooner where it can (30 s for its raylet, 60 s for
a message), and a machine that is busy with other things takes a minute."""

_ASIDE = """trap '' INT TERM HUP
read -r word
if [ "$word" != over ]; then printf '%s\\n' "${word:-$1}" >&2; fi
"""
"""Run by a shell beside us: the end of our side of its pipe without a word is the end of this process."""


class Guard(NamedTuple):
    """What the one who watches is told: `answered`, that Ray did; `lost`, that it is gone, which ends this process."""

    answered: Callable[[], None]
    lost: Callable[[], None]


@contextlib.contextmanager
def watched(what: str) -> Generator[Guard]:
    """Watch over a block in which Ray is started or joined (`what`), and over what it does afterwards.

    Ray's C++ part ends the process it is in, with code 1, when the head or the node is lost; nothing in Python hears of
    that, so a shell beside it says what happened. Until it is told that Ray has answered, a block that takes longer
    than START_S ends the process with code 1, and words like these.
    """
    text = (
        f"{what}: Ray ended, or ended this process, or the process was killed. Nothing that was committed is lost; run "
        "the same command again: it goes on from there. If it happens again, see whether there is memory left."
    )
    late = (
        f"{what}: no answer in {START_S:.0f} s, so this run ends here. Nothing is lost: see that Ray runs, then run "
        "the same command again."
    )
    aside = subprocess.Popen(  # noqa: S603 - our own words
        ["/bin/sh", "-c", _ASIDE, "sh", text], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    heard = threading.Event()

    def wait() -> None:
        if not heard.wait(START_S):
            _tell(aside, late)
            os._exit(1)

    def lost() -> None:
        _tell(aside, text)
        os._exit(1)

    threading.Thread(target=wait, name="ray-guard", daemon=True).start()
    try:
        yield Guard(heard.set, lost)
    finally:
        heard.set()
        _tell(aside, "over")


def _tell(aside: subprocess.Popen[bytes], word: str) -> None:
    """The last word to the shell: "over", or what it is to say; waits for its end, which comes at once."""
    with contextlib.suppress(OSError, ValueError):
        aside.communicate(f"{word}\n".encode())
