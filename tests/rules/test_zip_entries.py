"""What the directory of an animation's zip may say of its entries."""

import io
import zipfile

import pytest

from crawler.model import Failure, Kind
from crawler.rules.media import Media, inspect


def zipped(*names: str, size: int = 100, comment: bytes = b"", extra: bytes = b"") -> bytes:
    """Entries of so many bytes, none of them packed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for n, name in enumerate(names):
            info = zipfile.ZipInfo(name)
            info.comment, info.extra = comment, extra
            archive.writestr(info, bytes([n]) * size)
    return out.getvalue()


@pytest.mark.parametrize("extra", [b"", b"\x99\x99\x02\x00ab"])
@pytest.mark.parametrize("comment", [b"", b"a frame"])
@pytest.mark.parametrize("size", [100, 100_000])
def test_what_a_frame_s_entry_may_have_besides(comment: bytes, extra: bytes, size: int) -> None:
    """A comment, a field of another program's, and more bytes than the end that is kept."""
    data = zipped("000000.jpg", "000001.jpg", size=size, comment=comment, extra=extra)
    assert inspect(data, "zip") == Media("application/zip", "zip", None, None)


@pytest.mark.parametrize("name", ["a..jpg", "..jpg", "a/b.jpg", ".jpg", "a b.jpg", "x" * 101])
def test_a_name_that_is_none_of_a_frame(name: str) -> None:
    """Nothing with two dots in a row, a folder, a space, or a dot at its head; a hundred characters at most."""
    verdict = inspect(zipped("000000.jpg", name), "zip")
    assert isinstance(verdict, Failure)
    assert verdict.kind is Kind.BROKEN
    assert "name" in verdict.detail
    assert isinstance(inspect(zipped("000000.jpg", "x" * 100), "zip"), Media)
