"""How the stand-in names its files: one function from a work, a page and a rendition to a URL (pixiv.md 3.1)."""

from __future__ import annotations

from crawler.origin.work import OriginWork

WWW, IMAGES, STATIC = "www.pixiv.net", "i.pximg.net", "s.pximg.net"
PLAIN_HOSTS = tuple(f"img{n}.example" for n in range(8))
HOSTS = (WWW, IMAGES, STATIC, *PLAIN_HOSTS)
RENDITIONS = ("original", "regular", "small", "thumb", "mini", "thumb_mini")
SCALES = {"original": 1.0, "regular": 0.7, "small": 0.4, "thumb": 0.3, "mini": 0.1, "thumb_mini": 0.2}
"""Size of each rendition, as a share of the original's. (The site bounds them in pixels.)"""
FOLDERS = {
    "regular": ("/img-master", "master1200"),
    "small": ("/c/540x540_70/img-master", "master1200"),
    "thumb": ("/c/250x250_80_a2/img-master", "square1200"),
    "mini": ("/c/48x48/img-master", "square1200"),
    "thumb_mini": ("/c/128x128/img-master", "square1200"),
}
ZIPS = ("ugoira1920x1080", "ugoira600x600")


def image_path(work: OriginWork, page: int, rendition: str) -> str:
    """The path on the image host of a page's rendition; for ugoira `page` is the frame, of the original only.

    The first page's thumb is a custom one for a third of works, as on the site.
    """
    date = f"{work.uploaded:%Y/%m/%d/%H/%M/%S}"
    stem = f"{work.id}-{work.digest}" if work.digest else str(work.id)
    if rendition == "original":
        name = f"{stem}_ugoira{page}" if work.delays else f"{stem}_p{page}"
        return f"/img-original/img/{date}/{name}.{work.pages[0 if work.delays else page].ext}"
    folder, suffix = FOLDERS[rendition]
    if rendition == "thumb" and page == 0 and work.id % 3 == 0:
        folder, suffix = folder.replace("img-master", "custom-thumb"), "custom1200"
    name = stem if work.delays else f"{stem}_p{page}"
    return f"{folder}/img/{date}/{name}_{suffix}.jpg"


def zip_path(work: OriginWork, name: str) -> str:
    """The path on the image host of an ugoira's zip; `name` is one of ZIPS."""
    stem = f"{work.id}-{work.digest}" if work.digest else str(work.id)
    return f"/img-zip-ugoira/img/{work.uploaded:%Y/%m/%d/%H/%M/%S}/{stem}_{name}.zip"


def on(host: str, path: str) -> str:
    """The URL of `path` on `host`."""
    return f"https://{host}{path}"


def urls(work: OriginWork, page: int, names: tuple[str, ...], *, shown: bool) -> dict[str, str | None]:
    """The `urls` object of a page: nulls when it is not `shown`, the placeholder when the work has nothing else."""
    if not shown:
        return dict.fromkeys(names)
    if work.placeholder:
        return dict.fromkeys(names, on(STATIC, f"/common/images/{work.placeholder}"))
    return {name: on(IMAGES, image_path(work, page, name)) for name in names}
