"""A gateway: a WebSocket server (the package websockets) that answers pings and listens to whatever is said."""

import asyncio
import sys

import websockets


async def listen(connection):
    async for _ in connection:
        pass


async def main(host, port):
    async with websockets.serve(listen, host, int(port), ping_interval=None, backlog=1024):
        await asyncio.Future()


asyncio.run(main(*sys.argv[1:]))
