"""`wss.py PORTS CERTIFICATE`: Python websockets opens over TLS at each server, by address and by name.
Nothing is taken on trust but the certificate. Exit code 1 when something comes out otherwise."""

import asyncio
import json
import ssl
import sys

from websockets.asyncio.client import connect


async def main(ports, certificate):
    with open(ports) as opened:
        addresses = json.load(opened)
    stranger = ssl.create_default_context()
    friend = ssl.create_default_context(cafile=certificate)
    friend.verify_flags |= ssl.VERIFY_X509_STRICT
    for name, version in (("newer-0", "TLSv1.3"), ("older-0", "TLSv1.2")):
        for host in ("127.0.0.1", "localhost"):
            url = f"wss://{host}:{addresses[name].rsplit(':')[-1]}/"
            async with connect(url, ssl=friend, proxy=None) as socket:
                spoken = socket.transport.get_extra_info("ssl_object").version()
                if spoken != version:
                    sys.exit(f"{url} speaks {spoken}, not {version}")
                await (await socket.ping())
        try:
            await connect(f"wss://{addresses[name]}/", ssl=stranger, proxy=None)
            sys.exit(f"{name} is trusted by a stranger")
        except ssl.SSLCertVerificationError:
            pass
    print("open at each server, by TLS 1.3 and 1.2; strangers trust neither")


asyncio.run(main(*sys.argv[1:]))
