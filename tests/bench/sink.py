"""A service for streams: an ASGI application that takes whatever is sent, and gives as many bytes as the path says."""

from __future__ import annotations

from typing import Any

PIECE = bytes(256 * 1024)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
    said = scope["path"].rpartition("/")[2]
    size = int(said) if said.isdigit() else 0
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while size > 0:
        await send({"type": "http.response.body", "body": PIECE[:size], "more_body": size > len(PIECE)})
        size -= len(PIECE)
