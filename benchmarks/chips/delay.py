"""A port behind which an S3 server answers later: the way to one that is far away.

usage: python -m benchmarks.chips.delay PORT TARGET_PORT SECONDS
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

PART = 2**20
WHOLE, PARTIAL = b"HTTP/1.1 200 OK", b"HTTP/1.1 206 Partial Content"


def corrected(answer: bytes) -> bytes:
    """The beginning of an answer: rclone calls a part of a file the whole, which GDAL believes."""
    is_part = answer.startswith(WHOLE) and b"\r\nContent-Range:" in answer.partition(b"\r\n\r\n")[0]
    return answer.replace(WHOLE, PARTIAL, 1) if is_part else answer


async def main(port: int, target: int, seconds: float) -> None:
    async def to_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            # A request is one part.
            while part := await reader.read(PART):
                await asyncio.sleep(seconds)
                writer.write(part)
                await writer.drain()
        writer.close()

    async def to_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while part := await reader.read(PART):
                writer.write(corrected(part))
                await writer.drain()
        writer.close()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target, limit=PART)
        await asyncio.gather(to_server(reader, far_writer), to_client(far_reader, writer))

    async with await asyncio.start_server(meet, "127.0.0.1", port, limit=PART) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
