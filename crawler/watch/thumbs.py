"""Makes thumbnails in a process of its own, with bounds on memory, time and pixels; run as a script, it is that one.

What a decoder is fed came from the network: a file that crashes it, or blows up in memory, costs its own thumbnail and
nothing else. The script imports nothing of this package. It reads a JSON line [path, edge, blur, whole] and answers
with the length of a JPEG as eight hexadecimal digits, then the JPEG; length 0: no thumbnail of that.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import sys
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image as Images

MEMORY_BYTES = 1 << 30
"""Address space of the process. Linux holds to it, macOS does not."""
MOST_PIXELS = 60_000_000
"""What is decoded at most. A JPEG is decoded at an eighth of its size where that is enough: it may be larger."""
MOST_WHOLE = 80_000_000
"""The same for a picture to be looked at: 8000 x 8000 with transparency takes half of the memory while it is shrunk."""
FRAME_BYTES = 20_000_000
TIMEOUT_S = 8.0
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "WEBP")
"""What a run stores. Pillow knows forty more, one of which starts an interpreter of PostScript."""


class Thumbs:
    """One worker process, started when first needed and again after it died. Not for use by two threads at once.

    `nice`: how far it stands back behind everything else on the machine.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S, memory_bytes: int = MEMORY_BYTES, nice: int = 10) -> None:
        from crawler.worker import Worker  # not above: as a script, this imports nothing of the package

        self._timeout_s = timeout_s
        self._worker = Worker(__file__, str(memory_bytes), str(nice))
        self._stopped = False

    def make(self, path: str, edge: int, *, blur: bool = False, whole: bool = False) -> bytes | None:
        """A square JPEG of `edge` pixels of the picture at `path` (of a zip: its first), or None where there is none.

        `whole`: not a square cut out of it but all of it, made to fit into that square.
        Blocks for at most the time limit. Raises OSError when no process can be started.
        """
        worker = self._worker
        if self._stopped:
            worker.close()
            return None
        try:
            end = worker.ask([path, edge, blur, whole], self._timeout_s)
            if self._stopped:  # while it was being started
                raise BrokenPipeError
            return worker.read(int(worker.read(8, end), 16), end) or None
        except (BrokenPipeError, ValueError, TimeoutError):
            worker.close()
            return None

    def stop(self) -> None:
        """End the worker for good, from another thread: who waits for a thumbnail gets none."""
        self._stopped = True
        self._worker.kill()

    def close(self) -> None:
        """End the worker and wait for its end."""
        self._worker.close()


def thumbnail(path: str, edge: int, blur: bool, whole: bool) -> bytes:
    """The JPEG, made in this process. Raises whatever decoders raise."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as pack:
            first = min(pack.infolist(), key=lambda entry: entry.filename)
            if first.file_size > FRAME_BYTES:
                raise ValueError("the first frame is too large")
            return _small(io.BytesIO(pack.read(first)), edge, blur, whole)
    return _small(path, edge, blur, whole)


def _small(source: str | io.BytesIO, edge: int, blur: bool, whole: bool) -> bytes:
    from PIL import Image, ImageFilter, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # the bound is ours, and differs by format
    with Image.open(source, formats=FORMATS) as image:
        image.draft("RGB", (edge, edge) if whole else (2 * edge, 2 * edge))
        if image.width * image.height > (MOST_WHOLE if whole else MOST_PIXELS):
            raise ValueError("too many pixels")
        if whole:  # shrunk first: a flat copy of the full size would be a third and a fourth of them
            plain = image.mode in ("L", "RGB", "RGBA") and "transparency" not in image.info
            small = image if plain else _flat(image)
            small.thumbnail((edge, edge), Image.Resampling.LANCZOS, reducing_gap=2.0)
            small = _flat(small)
        else:
            small = ImageOps.fit(_flat(image), (edge, edge), Image.Resampling.BILINEAR, centering=(0.5, 0.3))
    if blur:
        small = small.filter(ImageFilter.GaussianBlur(edge / 14))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=88 if whole else 72)
    return out.getvalue()


def _flat(image: Images.Image) -> Images.Image:
    """As colours without transparency: what shows through is a grey that goes with light and dark."""
    from PIL import Image

    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image.convert("RGB")
    full = image.convert("RGBA")
    ground = Image.new("RGBA", full.size, (226, 228, 233, 255))
    return Image.alpha_composite(ground, full).convert("RGB")


def main() -> None:
    """The worker: answers until its parent goes."""
    with suppress(ValueError, OSError):  # macOS refuses; a bound that is lower already stands
        resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        os.nice(int(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        path, edge, blur, whole = json.loads(line)
        try:
            made = thumbnail(path, edge, blur, whole)
        except Exception:  # noqa: BLE001 - decoders raise whatever their formats taught them: no thumbnail, then
            made = b""
        sys.stdout.buffer.write(b"%08x" % len(made) + made)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
