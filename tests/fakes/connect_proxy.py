"""A fake of an office's HTTP proxy for tests: CONNECT only, with basic authentication, on every address of the host.
connect_proxy.py PORT USER:PASSWORD [BEHAVIOUR]

BEHAVIOUR, by default "connect": a number (that status to every authenticated request), "garbage" (answers what is no
HTTP), "hang" (takes the request and never answers), "hang-up" (closes without a word). Says "serving" once it does.
"""
import asyncio
import base64
import sys

PORT, CREDENTIALS = int(sys.argv[1]), base64.b64encode(sys.argv[2].encode()).decode()
BEHAVIOUR = sys.argv[3] if len(sys.argv) > 3 else "connect"


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def connect(target, reader, writer):
    host, port = target.rsplit(":", 1)
    try:
        far_reader, far_writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except OSError:
        return writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))


async def answer(lines, reader, writer):
    method, target, _ = lines[0].split(" ")
    given = [line.split(":", 1)[1].strip() for line in lines[1:] if line.lower().startswith("proxy-authorization:")]
    if method != "CONNECT":
        writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
    elif BEHAVIOUR == "hang":
        await reader.read()  # until the client gives up
    elif BEHAVIOUR == "garbage":
        writer.write(b"220 mail.invalid ESMTP ready; this is no proxy at all\r\n")
        await reader.read()
    elif BEHAVIOUR == "hang-up":
        pass
    elif [(scheme.lower(), rest) for scheme, _, rest in (g.partition(" ") for g in given)] != [("basic", CREDENTIALS)]:
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"office\"\r\n"
                     b"Content-Length: 0\r\n\r\n")
    elif BEHAVIOUR.isdigit():
        writer.write(f"HTTP/1.1 {BEHAVIOUR} Not for you\r\nContent-Length: 0\r\n\r\n".encode())
    else:
        await connect(target, reader, writer)


async def serve(reader, writer):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        await answer(head.decode("latin-1").split("\r\n"), reader, writer)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass  # the client went away
    writer.close()


async def main():
    server = await asyncio.start_server(serve, None, PORT)
    print("serving", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
