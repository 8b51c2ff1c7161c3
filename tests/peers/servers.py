"""An echo server by Python websockets, on the port in PORT (any free one without); prints its address."""

import asyncio
import os

from websockets.asyncio.server import serve


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def main():
    async with serve(echo, "127.0.0.1", int(os.environ.get("PORT", 0)), backlog=1024) as server:
        print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


asyncio.run(main())
