"""CPython's race: `asyncio_connect.py HOST PORT DELAY`. Exit status 0 if it connects, 7 if not."""

import asyncio
import sys


async def main(host, port, delay):
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_connection(asyncio.Protocol, host, port, happy_eyeballs_delay=delay)
    except OSError as error:
        print(error)
        return 7
    print(transport.get_extra_info("peername")[0])
    transport.close()
    return 0


host, port, delay = sys.argv[1:]
sys.exit(asyncio.run(main(host, int(port), float(delay))))
