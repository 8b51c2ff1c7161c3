"""`clients.py CLIENT CASES SECONDS`: asks every case of a file at once and prints its version, and `CASE OUTCOME SECONDS` lines.

`websockets-iterator` is `async for` over `connect`, `websocket-client-app` is `run_forever(reconnect=5)`: what they try again
for is pending until it opens."""

import asyncio
import base64
import json
import os
import subprocess
import sys
import threading
import time
from importlib.metadata import version

FIELD = {"Authorization": "Basic " + base64.b64encode(b"aladdin:open sesame").decode()}


# Imports take time that is not to be counted: they come before the first question.
def websockets():
    from websockets.asyncio.client import connect

    async def ask(url, fields):
        await connect(url, additional_headers=fields)

    return ask


def websockets_iterator():
    from websockets.asyncio.client import connect

    async def ask(url, fields):
        async for _ in connect(url, additional_headers=fields):
            return

    return ask


def aiohttp():
    import aiohttp

    async def ask(url, fields):
        await aiohttp.ClientSession().ws_connect(url, headers=fields)

    return ask


def websocket_client():
    import websocket

    return lambda url, fields: websocket.create_connection(url, header=fields)


def websocket_client_app():
    import websocket

    def ask(url, fields):
        opened = threading.Event()
        app = websocket.WebSocketApp(url, header=fields, on_open=lambda _: opened.set())
        threading.Thread(target=app.run_forever, kwargs={"reconnect": 5}, daemon=True).start()
        opened.wait()

    return ask


def websocat():
    # With nothing to send it ends as soon as it is open.
    def ask(url, fields):
        header = [f"--header={name}: {value}" for name, value in fields.items()]
        subprocess.run(["websocat", "-E", *header, url], stdin=subprocess.DEVNULL, capture_output=True, check=True)

    return ask


async def in_time(client, case, seconds):
    start = time.monotonic()
    try:
        fields = FIELD if case["credentials"] == "header" else {}
        await asyncio.wait_for(client(case["url"], fields), seconds)
        outcome = "open"
    except asyncio.TimeoutError as error:
        # A time-out of the client's own is a failure.
        outcome = "pending" if type(error) is asyncio.TimeoutError and not error.args else "error"
    except Exception:
        outcome = "error"
    print(case["case"], outcome, f"{time.monotonic() - start:.1f}")


async def ask_all(client, cases, seconds):
    await asyncio.gather(*(in_time(client, case, seconds) for case in cases))


def ask_in_threads(client, cases, seconds):
    outcomes = {case["case"]: f"pending {seconds:.1f}" for case in cases}

    def ask(case):
        start = time.monotonic()
        try:
            client(case["url"], FIELD if case["credentials"] == "header" else {})
            outcome = "open"
        except Exception:
            outcome = "error"
        outcomes[case["case"]] = f"{outcome} {time.monotonic() - start:.1f}"

    threads = [threading.Thread(target=ask, args=[case], daemon=True) for case in cases]
    for thread in threads:
        thread.start()
    waiting = threading.Event()
    waiting.wait(seconds)
    for case, outcome in outcomes.items():
        print(case, outcome)


AWAITED = {"websockets": websockets, "websockets-iterator": websockets_iterator, "aiohttp": aiohttp}
BLOCKING = {"websocket-client": websocket_client, "websocket-client-app": websocket_client_app, "websocat": websocat}

which, file, seconds = sys.argv[1:]
with open(file) as opened:
    all_cases = json.load(opened)
package = which.removesuffix("-iterator").removesuffix("-app")
if which == "websocat":
    print("version", subprocess.run(["websocat", "--version"], capture_output=True, text=True).stdout.split()[-1])
else:
    print("version", version(package))
if which in BLOCKING:
    ask_in_threads(BLOCKING[which](), all_cases, float(seconds))
else:
    asyncio.run(ask_all(AWAITED[which](), all_cases, float(seconds)))
sys.stdout.flush()
# What is still pending is left as it is.
os._exit(0)
