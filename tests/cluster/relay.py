"""Carries TCP connections over a Unix socket, which network namespaces do not divide: `relay.py in PORT PATH` takes
them from a port of the loopback, `relay.py out PATH PORT` hands them to one."""

import asyncio
import contextlib
import sys


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def main(way: str, one: str, other: str) -> None:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if way == "in":
                far_reader, far_writer = await asyncio.open_unix_connection(other)
            else:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(other))
        except OSError:
            writer.close()
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(pump(reader, far_writer))
            group.create_task(pump(far_reader, writer))
        for end in (writer, far_writer):
            end.close()

    server = (
        await asyncio.start_server(carry, "127.0.0.1", int(one))
        if way == "in"
        else await asyncio.start_unix_server(carry, one)
    )
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
