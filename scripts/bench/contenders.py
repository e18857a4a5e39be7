"""Who runs in the throughput benchmark, and with which command line: each fetches the same files with 16 connections.

Everybody verifies certificates where the tool can (Scrapy does not by itself). The environments of the Python tools are
made on demand, outside the repository.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CONNECTIONS = 16
_OURS = """
[source]
kind = "{kind}"
path = "list.txt"
[site]
name = "{site}"
[output]
dir = "out"
durability = "{durability}"
[limits]
works = {works}
memory_mb = 256
[limits.api]
rate = 0
connections = {connections}
[limits.images]
rate = 0
connections = {connections}
[network]
ca_file = "{ca}"
{network}
"""
_OFFLINE = {"NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled"}


@dataclass(frozen=True)
class Job:
    """What one run has to fetch, and where: `folder` is new and empty; files go to `folder/out`."""

    folder: Path
    ca: Path
    urls: list[str]
    ids: list[int]
    port: int
    size: int
    durability: str
    tools: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def listed(self, entries: list[str]) -> Path:
        """A file with one entry a line."""
        path = self.folder / "list.txt"
        path.write_text("\n".join(entries) + "\n")
        return path


@dataclass(frozen=True)
class Command:
    """What to run, and which files count as images."""

    argv: list[str | Path]
    env: dict[str, str]
    pattern: str = "*"


Build = Callable[[Job], Command]


def ours(job: Job, transport: str, *, whole: bool) -> Command:
    """This crawler: site `urls` for images alone, or the whole job of site pixiv."""
    job.listed([str(id) for id in job.ids] if whole else job.urls)
    there = f"127.0.0.1:{job.port}"
    hosts = ("www.pixiv.net", "i.pximg.net")
    network = (
        "resolve = { " + ", ".join(f'"{host}" = "{there}"' for host in hosts) + " }"
        if whole
        else 'allow_private = ["127.0.0.0/8"]'
    )
    config = _OURS.format(
        kind="ids" if whole else "urls",
        site="pixiv" if whole else "urls",
        durability=job.durability,
        works=64 if whole else CONNECTIONS,
        connections=CONNECTIONS,
        ca=job.ca,
        network=network + (f'\ntransport = "{transport}"' if transport else ""),
    )
    (job.folder / "c.toml").write_text(config)
    return Command([sys.executable, "-m", "crawler", "run", job.folder / "c.toml", "-q"], {}, "images/**/*")


def curl(job: Job) -> Command:
    """curl --parallel."""
    config = [f'url="{url}"\noutput="{job.out / Path(url).name}"' for url in job.urls]
    head = ["parallel", f"parallel-max={CONNECTIONS}", "silent", "show-error", "fail", f'cacert="{job.ca}"']
    job.listed(head + config)
    return Command(["curl", "-q", "-K", job.folder / "list.txt"], {})


def aria2(job: Job) -> Command:
    """aria2c."""
    flags = ["--no-conf", "--quiet", "--file-allocation=none", "--download-result=hide", "--summary-interval=0"]
    listed = job.listed(job.urls)
    return Command(
        ["aria2c", *flags, f"-j{CONNECTIONS}", "-x1", "-d", job.out, f"--ca-certificate={job.ca}", "-i", listed], {}
    )


def wget2(job: Job) -> Command:
    """wget2."""
    flags = ["--no-config", "-q", "-nd", "--robots=off", f"--max-threads={CONNECTIONS}", f"--ca-certificate={job.ca}"]
    return Command(["wget2", *flags, "-P", job.out, "-i", job.listed(job.urls)], {})


def img2dataset(job: Job) -> Command:
    """img2dataset, one process, files as they are: no resize, no encoding, no EXIF, no hash of its own."""
    flags = ["--output_format=files", "--resize_mode=no", "--disable_all_reencoding=True", "--processes_count=1"]
    flags += [f"--thread_count={CONNECTIONS}", "--extract_exif=False", "--compute_hash=None", "--enable_wandb=False"]
    flags += [f"--url_list={job.listed(job.urls)}", f"--output_folder={job.out}"]
    return Command(
        [job.tools / "img2dataset/bin/img2dataset", *flags], {"SSL_CERT_FILE": str(job.ca), **_OFFLINE}, "*/*.jpg"
    )


def scrapy(job: Job) -> Command:
    """Scrapy's FilesPipeline."""
    flags = ["-s", f"FILES_STORE={job.out}", "-s", f"CONCURRENT_REQUESTS_PER_DOMAIN={CONNECTIONS}", "-a"]
    flags += [f"listed={job.listed(job.urls)}", "-s", "LOG_LEVEL=ERROR"]
    return Command([job.tools / "scrapy/bin/scrapy", "runspider", HERE / "files_spider.py", *flags], {}, "full/*")


def gallery_dl(job: Job) -> Command:
    """gallery-dl, direct links; it knows one connection."""
    flags = ["--config-ignore", "-q", "-D", job.out, "-i", job.listed(job.urls)]
    return Command([job.tools / "gallery-dl/bin/gallery-dl", *flags], {"REQUESTS_CA_BUNDLE": str(job.ca)})


def raw(job: Job) -> Command:
    """The floor: the same files written under a part's name and renamed, from memory; no network, no digest."""
    return Command([sys.executable, HERE / "write_files.py", job.out, str(job.size), str(len(job.urls))], {})


def bare(job: Job) -> Command:
    """The floor of a crawler on libcurl: GET, SHA-256, write, rename, and nothing that a crawl needs beside it."""
    return Command([sys.executable, HERE / "bare_loop.py", job.listed(job.urls), job.out, job.ca], {})


IMAGES: dict[str, Build] = {
    "crawler": lambda job: ours(job, "", whole=False),
    "crawler, aiohttp": lambda job: ours(job, "aiohttp", whole=False),
    "curl": curl,
    "aria2c": aria2,
    "wget2": wget2,
    "img2dataset": img2dataset,
    "Scrapy": scrapy,
    "gallery-dl": gallery_dl,
    "bare libcurl": bare,
    "write + rename": raw,
}
"""Images only. All but this crawler are charged for a SHA-256 of what they left."""
WHOLE: dict[str, Build] = {
    "crawler, whole job": lambda job: ours(job, "", whole=True),
    "crawler, whole job, aiohttp": lambda job: ours(job, "aiohttp", whole=True),
}
"""Metadata, expansion, images, checks, digests, log. TLS only: the site has no other."""
HEAVY = {"img2dataset": 0.25, "Scrapy": 0.25, "gallery-dl": 0.15}
"""Shares of the images that suffice for tools that take milliseconds each."""
_DEBIAN = {"nginx": "nginx-light", "curl": "curl", "aria2c": "aria2", "wget2": "wget2", "openssl": "openssl"}
_PYPI = {"img2dataset": ["img2dataset"], "Scrapy": ["scrapy", "uvloop"], "gallery-dl": ["gallery-dl"]}


def install(names: list[str], tools: Path) -> None:
    """Have what these contenders need: Debian's packages, and an environment for each Python tool."""
    missing = [package for binary, package in _DEBIAN.items() if shutil.which(binary) is None]
    if missing:
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], check=True)
    for name in names:
        folder = tools / name.lower()
        if name in _PYPI and not (folder / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([folder / "bin/pip", "install", "-q", *_PYPI[name]], check=True)
            (folder / "ready").touch()


def version(name: str, tools: Path) -> str:
    """What a contender says of itself, in one line."""
    argv: list[str | Path]
    if name in _PYPI:
        package = _PYPI[name][0]
        code = f"import importlib.metadata as m; print(m.version({package!r}))"
        argv = [tools / name.lower() / "bin/python", "-c", code]
    elif name in _DEBIAN:
        argv = [name, {"curl": "-V", "nginx": "-v"}.get(name, "--version")]
    else:
        return ""
    told = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (told.stdout + told.stderr).strip().partition("\n")[0][:60]
