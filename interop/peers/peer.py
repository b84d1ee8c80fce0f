"""PyPI `websockets`: `peer.py client ADDRESS` runs the checks against our server, `peer.py server` is
a server for our client, with the actions that ours has."""

import asyncio
import http
import json
import random
import sys
import urllib.error
import urllib.request

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

PATIENCE = 60
MIB = 1024 * 1024
# Larger than anything here: the default is exactly the 1 MiB of a check.
LIMIT = 4 * MIB


def records(seed, size):
    """Text that repeats itself, and is not ASCII alone."""
    text, line = "", seed
    while len(text) < size:
        text += f'{{"id":{line},"name":"Grüße №{line * 7919}","on":true}}\n'
        line += 1
    return text[:size]


def corpus():
    """The messages of a compression check: of many sizes, some repeated, some incompressible."""
    noise = random.Random(6455)
    for seed in range(0, 300, 100):
        for size in [0, 1, 10, 125, 126, 300, 1000, 1024, 4095, 4097, 32768, 65535, 65536, 150_000]:
            text = records(seed, size)
            yield text
            yield text
            yield noise.randbytes(size)


def equal(got, expected):
    if got != expected:
        raise AssertionError(f"{str(got)[:80]!r}; expected {str(expected)[:80]!r}")


def in_fragments(message):
    third = len(message) // 3 + 1
    return [message[:third], message[third : 2 * third], message[2 * third :]]


async def echoes(ws, messages):
    """Sends the messages one after the other, and all again without waiting; then closes."""
    for message in messages:
        await ws.send(message)
        equal(await ws.recv(), message)

    async def send_all():
        for message in messages:
            await ws.send(message)

    async def receive_all():
        for message in messages:
            equal(await ws.recv(), message)

    await asyncio.gather(send_all(), receive_all())
    await ws.close()
    equal(ws.close_code, 1000)


async def client(address):
    with urllib.request.urlopen(f"http://{address}/servers") as response:
        servers = json.load(response)
    failed = []

    async def check(name, run):
        try:
            await asyncio.wait_for(run(), PATIENCE)
            print(f"ok      {name}", flush=True)
        except Exception as error:
            failed.append(name)
            print(f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)

    def opened(words, action, **options):
        options.setdefault("compression", "deflate" if "deflate" in words else None)
        url = f"ws://{servers[words]}/{action}"
        return connect(url, max_size=LIMIT, proxy=None, **options)

    async def echo(words):
        async with opened(words, "echo") as ws:
            octets = bytes(range(256))
            large = [records(0, 65536), records(0, MIB // 2), b"\xa5" * MIB]
            await echoes(ws, ["Grüße, Κόσμε, 🌍", "\0 and \U0010ffff", "", b"", octets, *large])

    async def fragments(words):
        async with opened(words, "echo") as ws:
            for message in [records(0, 100_000), "", b"", bytes(100_000)]:
                await ws.send(in_fragments(message))
                equal(await ws.recv(), message)

    async def ping():
        async with opened("plain", "echo") as ws:
            for payload in ["", "still there?", "x" * 125]:
                await (await ws.ping(payload))

    async def pong():
        async with opened("plain", "ping") as ws:
            await ws.send("still there?")
            equal(await ws.recv(), "pong still there?")

    async def subprotocol():
        async with opened("plain", "echo", subprotocols=["unheard-of", "chat.v1"]) as ws:
            equal(ws.subprotocol, "chat.v1")

    async def we_close(code, reason):
        async with opened("plain", "seen") as ws:
            number = await ws.recv()
            await ws.close(code, reason)
        async with opened("plain", "report") as ws:
            await ws.send(number)
            equal(await ws.recv(), f"{code} {reason}".rstrip())

    async def it_closes(asked):
        async with opened("plain", "close") as ws:
            await ws.send(asked)
            await ws.wait_closed()
            equal(f"{ws.close_code} {ws.close_reason}".rstrip(), asked)

    async def cut():
        async with opened("plain", "cut") as ws:
            equal(await ws.recv(), "hello")
            await ws.wait_closed()
            equal(ws.close_code, 1006)

    async def refused():
        try:
            await opened("plain", "refused")
        except websockets.InvalidStatus as error:
            equal(error.response.status_code, 404)
            equal(b"nothing is here" in error.response.body, True)
        else:
            raise AssertionError("was accepted")

    async def plain_request():
        try:
            address = servers["plain;fragments"]
            await asyncio.to_thread(urllib.request.urlopen, f"http://{address}/")
        except urllib.error.HTTPError as error:
            equal(error.code, 426)
            equal(error.headers["upgrade"], "websocket")
            equal(len(error.read()) > 0, True)
        else:
            raise AssertionError("was answered with a success")

    async def compressed(words):
        async with opened(words, "echo") as ws:
            equal("permessage-deflate" in ws.response.headers["sec-websocket-extensions"], True)
            await echoes(ws, list(corpus()))

    for words in ["plain", "plain;fragments", "deflate", "deflate;fragments"]:
        await check(f"{words}: text, binary, empty, 1 MiB", lambda: echo(words))
    await check("plain: the client sends fragments", lambda: fragments("plain"))
    await check("deflate: the client sends fragments", lambda: fragments("deflate"))
    await check("the client pings", ping)
    await check("the server pings", pong)
    await check("subprotocol", subprotocol)
    await check("the client closes with 1000", lambda: we_close(1000, ""))
    await check("the client closes with 4000 and a reason", lambda: we_close(4000, "genug für heute"))
    await check("the server closes with 1000", lambda: it_closes("1000"))
    await check("the server closes with 4001 and a reason", lambda: it_closes("4001 à bientôt"))
    await check("the server cuts off", cut)
    await check("404 with its body", refused)
    await check("426 for a plain request", plain_request)
    for words in filter(lambda words: words.startswith("deflate"), servers):
        await check(f"the server wants {words}", lambda: compressed(words))
    return not failed


async def server():
    seen = []

    def refuse(connection, request):
        if request.path.endswith("/refused"):
            return connection.respond(http.HTTPStatus.NOT_FOUND, "nothing is here\n")

    async def act(ws):
        _, words, action = ws.request.path.split("/")
        if action == "seen":
            closed = asyncio.get_running_loop().create_future()
            seen.append(closed)
            await ws.send(str(len(seen) - 1))
            await ws.wait_closed()
            closed.set_result(f"{ws.close_code} {ws.close_reason}".rstrip())
        elif action == "cut":
            await ws.send("hello")
            ws.transport.abort()
        async for message in ws:
            if action == "ping":
                await (await ws.ping(message))
                await ws.send(f"pong {message}")
            elif action == "close":
                code, _, reason = message.partition(" ")
                await ws.close(int(code), reason)
            elif action == "report":
                await ws.send(await seen[int(message)])
            elif "fragments" in words:
                await ws.send(in_fragments(message))
            else:
                await ws.send(message)

    def select(connection, offered):
        return "chat.v1" if "chat.v1" in offered else None

    options = {"max_size": LIMIT, "process_request": refuse, "select_subprotocol": select}
    async with serve(act, "127.0.0.1", 0, **options) as listening:
        print("listening on %s:%d" % listening.sockets[0].getsockname(), flush=True)
        await listening.serve_forever()


if sys.argv[1] == "server":
    asyncio.run(server())
else:
    sys.exit(0 if asyncio.run(client(sys.argv[2])) else 1)
