"""`proxies.py curl|websockets|websocket-client|aiohttp PORTS`: one client through the proxies of proxies.toml, with
credentials and without. Prints a line for the table and each difference; exit code 1 if there is one."""

import asyncio
import base64
import json
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

client, file = sys.argv[1:]
with open(file) as opened:
    ports = json.load(opened)
ports = {name.removesuffix("-0"): address for name, address in ports.items()}
gateway, secure = ports["gateway"], ports["secure"]
RIGHT, WRONG = ("alice", "secret"), ("alice", "guess")
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def curl(proxy, login, target):
    """The proxy's last answer and the server's. A WebSocket that is open never ends: curl waits a second for more."""
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_connect} %{http_code}", "--max-time", "1", "--proxytunnel"]
    command += ["--proxy", f"http://{ports[proxy]}", "--http1.1", "--proxy-anyauth"]
    command += ["--proxy-user", ":".join(login)] if login else []
    fields = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}"]
    command += [word for field in fields for word in ("-H", field)]
    command += ["--cacert", file + ".pem"] if target == secure else []
    url = f"https://{target}/" if target == secure else f"http://{target}/"
    said = subprocess.run(command + [url], capture_output=True, text=True).stdout
    return "open" if said == "200 101" else said.split()[0]


def status(error):
    """The proxy's, wherever the client has put it."""
    for what in (error, getattr(error, "response", None)):
        for name in ("status_code", "status"):
            if isinstance(getattr(what, name, None), int):
                return str(getattr(what, name))
    return next((word for word in ("407", "502") if word in str(error)), repr(error))


def websockets(proxy, login, target):
    from websockets.asyncio.client import connect

    user = "{}:{}@".format(*login) if login else ""
    context = ssl.create_default_context(cafile=file + ".pem") if target == secure else None

    async def ask():
        scheme = "wss" if context else "ws"
        async with connect(f"{scheme}://{target}/", proxy=f"http://{user}{ports[proxy]}", ssl=context) as socket:
            await asyncio.wait_for(await socket.ping(), 5)

    try:
        asyncio.run(ask())
        return "open"
    except Exception as error:
        return status(error)


def websocket_client(proxy, login, target):
    import websocket

    host, port = ports[proxy].rsplit(":", 1)
    scheme, options = ("wss", {"ca_certs": file + ".pem"}) if target == secure else ("ws", None)
    try:
        socket = websocket.create_connection(
            f"{scheme}://{target}/",
            http_proxy_host=host,
            http_proxy_port=int(port),
            http_proxy_auth=login,
            http_no_proxy=["none"],
            proxy_type="http",
            sslopt=options,
            timeout=5,
        )
        socket.ping("x")
        return "open" if socket.recv_frame().opcode == websocket.ABNF.OPCODE_PONG else "no pong"
    except Exception as error:
        return status(error)


def aiohttp(proxy, login, target):
    import aiohttp

    async def ask():
        context = ssl.create_default_context(cafile=file + ".pem")
        async with aiohttp.ClientSession() as session:
            proof = base64.b64encode(":".join(login or ()).encode()).decode()
            fields = {"Proxy-Authorization": f"Basic {proof}"} if login else None
            url = f"http://{ports[proxy]}"
            socket = await session.ws_connect(f"wss://{target}/", proxy=url, proxy_headers=fields, ssl=context)
            await socket.close()

    try:
        asyncio.run(ask())
        return "open"
    except Exception as error:
        return status(error)


ask = {"curl": curl, "websockets": websockets, "websocket-client": websocket_client, "aiohttp": aiohttp}[client]
cases = [
    ("open", None, gateway, "open"),
    ("open", None, secure, "open"),
    ("open", None, "gateway-0:80", "open"),
    ("open", None, "127.0.0.1:1", "502"),
    ("basic", None, gateway, "407"),
    ("basic", WRONG, gateway, "407"),
    ("basic", RIGHT, gateway, "open"),
    ("basic", RIGHT, secure, "open"),
]
if client == "curl":
    # The only one that knows Digest.
    digest = [("digest", None, "407"), ("digest", WRONG, "407"), ("digest", RIGHT, "open"), ("closing", RIGHT, "open")]
    cases += [(proxy, login, target, want) for proxy, login, want in digest for target in (gateway, secure)]
if client == "aiohttp":
    # Asks a proxy for tunnels to wss alone; for ws it would have the proxy ask, which no tunnel is.
    cases = [case for case in cases if case[2] == secure] + [("basic", None, secure, "407"), ("basic", WRONG, secure, "407")]
differences = []
# Most of it is waiting.
with ThreadPoolExecutor(8) as pool:
    outcomes = list(pool.map(lambda case: ask(*case[:3]), cases))
for (proxy, login, target, want), got in zip(cases, outcomes):
    if got != want:
        name = {gateway: "gateway", secure: "secure"}.get(target, target)
        differences.append(f"  {client} by {proxy} to {name} as {login and login[1]}: {got}, not {want}")
print(f"{client + '-by-proxy':<20} {len(cases) - len(differences):>3} of {len(cases)} ways through proxies as they should be")
print("\n".join(differences), end="\n" if differences else "")
sys.exit(1 if differences else 0)
