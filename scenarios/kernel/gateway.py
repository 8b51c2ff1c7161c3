"""A gateway: a WebSocket server (the package websockets) that answers pings and listens to whatever is said. With a third argument
it says when its connections end, and sends pings of its own, so many seconds apart; 0: none."""

import asyncio
import sys
import time

import websockets

begin = time.monotonic()


async def main(host, port, ping=None):
    async def listen(connection):
        try:
            async for _ in connection:
                pass
        except websockets.ConnectionClosedError:
            pass
        if ping is not None:
            print(f"{time.monotonic() - begin:.1f} s: ended, {connection.close_code}", flush=True)

    every = float(ping or 0) or None
    async with websockets.serve(listen, host, int(port), ping_interval=every, ping_timeout=every, backlog=1024):
        await asyncio.Future()


asyncio.run(main(*sys.argv[1:]))
