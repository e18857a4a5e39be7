"""Decodes images in processes of their own, with a bound on memory and time; run as a script, it is such a process.

What a decoder is fed came from the network: a file that crashes it, or blows up in memory, takes down one worker, and
that file is known by it. The script imports nothing of this package and speaks JSON, one line a file.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import zipfile
from contextlib import suppress
from typing import Literal

MEMORY_BYTES = 2 << 30
"""Address space of a worker: enough for an image of some 400 megapixels. Linux holds to it, macOS does not."""
TIMEOUT_S = 300
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "WEBP")
"""What a run stores. Pillow knows forty more, one of which starts an interpreter of PostScript."""

Verdict = tuple[Literal["fine", "broken", "undecided"], str]


class Decoder:
    """One worker process, started when first needed and again after it died. Not for use by two threads at once."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES, timeout_s: float = TIMEOUT_S) -> None:
        from crawler.worker import Worker  # not above: as a script, this imports nothing of the package

        self._timeout_s = timeout_s
        self._worker = Worker(__file__, str(memory_bytes))

    def check(self, path: str) -> Verdict:
        """Whether the file at `path` decodes, every frame of it; `undecided` where this machine cannot tell."""
        worker = self._worker
        try:
            kind, why = json.loads(worker.line(worker.ask(path, self._timeout_s)))
        except TimeoutError:
            worker.close()
            return "undecided", f"decoding took longer than {self._timeout_s:g} s"
        except BrokenPipeError:
            code = worker.close(ended=True)
            if code == -signal.SIGKILL:
                return "undecided", "the decoder was killed, as happens when the machine runs out of memory"
            return "broken", f"it crashes the decoder (exit {code})"
        return kind, why

    def close(self) -> None:
        """End the worker."""
        self._worker.close()


def decode(path: str) -> Verdict:
    """Decode a file fully, in this process."""
    from PIL import Image, ImageSequence

    Image.MAX_IMAGE_PIXELS = None  # the bound on memory is the worker's
    try:
        if zipfile.is_zipfile(path):
            return _decode_zip(path)
        with Image.open(path, formats=FORMATS) as image:
            for frame in ImageSequence.Iterator(image):
                frame.load()
    except MemoryError:
        return "undecided", "decoding it takes more memory than a worker may have"
    except Exception as error:  # noqa: BLE001 - decoders raise whatever their formats taught them; all of it means broken
        return "broken", f"{type(error).__name__}: {error}"[:200]
    return "fine", ""


def _decode_zip(path: str) -> Verdict:
    from PIL import Image

    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            try:
                with archive.open(name) as member, Image.open(member, formats=FORMATS) as image:
                    image.load()
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - as above, and the frame should be named
                return "broken", f"frame {name}: {type(error).__name__}: {error}"[:200]
        # A CRC is only compared when a member is read to its end; decoders may stop before.
        bad = archive.testzip()
    return ("broken", f"frame {bad}: wrong checksum") if bad else ("fine", "")


def main() -> None:
    """The worker: a JSON string a line in, a JSON [verdict, why] a line out, until its parent goes."""
    with suppress(ValueError, OSError):  # macOS refuses; a bound that is lower already stands
        resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(decode(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
