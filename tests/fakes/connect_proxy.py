"""A fake of an office's HTTP proxy for tests: CONNECT only, with basic authentication. connect_proxy.py PORT USER:PASSWORD"""
import asyncio
import base64
import sys

PORT, CREDENTIALS = int(sys.argv[1]), base64.b64encode(sys.argv[2].encode()).decode()


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    given = [line.split(":", 1)[1].strip() for line in lines[1:] if line.lower().startswith("proxy-authorization:")]
    if method != "CONNECT":
        writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
    elif [(scheme.lower(), rest) for scheme, _, rest in (g.partition(" ") for g in given)] != [("basic", CREDENTIALS)]:
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"office\"\r\n"
                     b"Content-Length: 0\r\n\r\n")
    else:
        host, port = target.rsplit(":", 1)
        far_reader, far_writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        return
    await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, None, PORT)
    async with server:
        await server.serve_forever()


asyncio.run(main())
