"""`clients.py websockets|aiohttp|websocket-client CASES SECONDS`: asks every case of a file at once and prints
`CASE OUTCOME` lines."""

import asyncio
import base64
import json
import os
import sys
import threading

FIELD = {"Authorization": "Basic " + base64.b64encode(b"aladdin:open sesame").decode()}


# Imports take time that is not to be counted: they come before the first question.
def websockets():
    from websockets.asyncio.client import connect

    async def ask(url, fields):
        await connect(url, additional_headers=fields)

    return ask


def aiohttp():
    import aiohttp

    async def ask(url, fields):
        await aiohttp.ClientSession().ws_connect(url, headers=fields)

    return ask


def websocket_client():
    import websocket

    return lambda url, fields: websocket.create_connection(url, header=fields)


async def in_time(client, case, seconds):
    try:
        fields = FIELD if case["credentials"] == "header" else {}
        await asyncio.wait_for(client(case["url"], fields), seconds)
        outcome = "open"
    except asyncio.TimeoutError as error:
        # A time-out of the client's own is a failure.
        outcome = "pending" if type(error) is asyncio.TimeoutError and not error.args else "error"
    except Exception:
        outcome = "error"
    print(case["case"], outcome)


async def ask_all(client, cases, seconds):
    await asyncio.gather(*(in_time(client, case, seconds) for case in cases))


def ask_in_threads(client, cases, seconds):
    outcomes = {case["case"]: "pending" for case in cases}

    def ask(case):
        try:
            client(case["url"], FIELD if case["credentials"] == "header" else {})
            outcomes[case["case"]] = "open"
        except Exception:
            outcomes[case["case"]] = "error"

    threads = [threading.Thread(target=ask, args=[case], daemon=True) for case in cases]
    for thread in threads:
        thread.start()
    waiting = threading.Event()
    waiting.wait(seconds)
    for case, outcome in outcomes.items():
        print(case, outcome)


which, file, seconds = sys.argv[1:]
with open(file) as opened:
    all_cases = json.load(opened)
if which == "websocket-client":
    ask_in_threads(websocket_client(), all_cases, float(seconds))
else:
    asyncio.run(ask_all({"websockets": websockets, "aiohttp": aiohttp}[which](), all_cases, float(seconds)))
sys.stdout.flush()
# What is still pending is left as it is.
os._exit(0)
