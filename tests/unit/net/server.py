#!/usr/bin/python3
"""Loopback servers for unit_net_ws_client: each listener is one way a relay or a proxy may behave.

Writes certificates into the folder given, then one line "name port" per listener and "ready"; ends when its
standard input does."""

import asyncio
import base64
import datetime
import hashlib
import http
import ipaddress
import pathlib
import logging
import socket
import ssl
import sys
import threading

import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FOLDER = pathlib.Path(sys.argv[1])
NOW = datetime.datetime.utcnow()
DAY = datetime.timedelta(days=1)
CONNECTS = []
logging.disable(logging.CRITICAL)


def make(name, issuer=None, start=-DAY, end=DAY, san=None, ca=False):
    """One certificate and key as NAME.crt and NAME.key; returns them for signing others."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + start)
        .not_valid_after(NOW + end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if san:
        builder = builder.add_extension(x509.SubjectAlternativeName(san), critical=False)
    certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (FOLDER / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (FOLDER / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return certificate, key


def context(name, client_ca=None, alpn=None):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.load_cert_chain(FOLDER / f"{name}.crt", FOLDER / f"{name}.key")
    if client_ca:
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(FOLDER / f"{client_ca}.crt")
    if alpn:
        tls.set_alpn_protocols(alpn)
    return tls


async def echo(peer):
    """Answers text in kind; "big" with 200 kB, "close" with a close frame, "alpn" with the protocol."""
    async for message in peer:
        if message == "big":
            await peer.send(b"x" * 200000)
        elif message == "close":
            await peer.close(code=4001, reason="enough")
        elif message == "alpn":
            await peer.send(str(peer.transport.get_extra_info("ssl_object").selected_alpn_protocol()))
        elif message == "connects":
            await peer.send(" ".join(CONNECTS))
        else:
            await peer.send(message)


async def refuse(path, headers):
    return http.HTTPStatus.FORBIDDEN, [], b"no"


async def redirect(path, headers):
    return http.HTTPStatus.FOUND, [("Location", "https://127.0.0.1:1/elsewhere")], b""


async def pipe(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def proxy(reader, writer):
    request = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = {k.lower(): v for k, v in (line.split(": ", 1) for line in request[1:] if line)}
    wanted = base64.b64encode(b"room:p@ss").decode()
    CONNECTS.append(request[0].split()[1])
    if not fields.get("proxy-authorization", "").lower().endswith(wanted.lower()):
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        return
    host, port = request[0].split()[1].rsplit(":", 1)
    if port == "1":
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        return
    there_reader, there_writer = await asyncio.open_connection("127.0.0.1", int(port))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(pipe(reader, there_writer), pipe(there_reader, writer), return_exceptions=True)


def demand(listener, tls):
    """Asks every client for a certificate; unlike asyncio, it lets the TLS alert out before it hangs up."""
    while True:
        socket, _ = listener.accept()
        try:
            with tls.wrap_socket(socket, server_side=True) as wrapped:
                wrapped.read()
        except (ssl.SSLError, OSError):
            socket.close()


async def silent(reader, writer):
    await reader.read()
    writer.close()


async def frozen(reader, writer):
    """Becomes a WebSocket and never says another word: as when the line behind a firewall was cut."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    key = next(line.split(": ")[1] for line in request if line.lower().startswith("sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Protocol: kaigi.v1\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    await reader.read(1 << 20)
    await asyncio.sleep(60)


async def post(reader, writer):
    """Answers a POST with its own body, framed as its path says."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    path = head.split()[1]
    if path == "/get":
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + head.split("\r\n")[0].encode())
        await writer.drain()
        writer.close()
        return
    length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
    body = await reader.readexactly(length)
    if path == "/length":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: Text/Plain; x=y\r\nContent-Length: %d\r\n\r\n" % length)
        await writer.drain()
        writer.write(body)
    elif path == "/chunked":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nRetry-After: 7\r\n")
        await writer.drain()
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (length, body))
    elif path == "/closed":
        writer.write(b"HTTP/1.0 403 No\r\n\r\n" + body)
    elif path == "/cut":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + body)
    elif path == "/endless":
        writer.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200000)
    elif path == "/silent":
        await reader.read()
    await writer.drain()
    writer.close()


async def garbage(reader, writer):
    writer.write(b"SSH-2.0-nothing\r\n" * 4)
    await writer.drain()
    writer.close()


async def main():
    names = [x509.DNSName("relay.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    ca = make("ca", ca=True)
    other = make("other-ca", ca=True)
    make("server", ca, san=names)
    make("expired", ca, start=-3 * DAY, end=-DAY, san=names)
    make("future", ca, start=2 * DAY, end=3 * DAY, san=names)
    make("elsewhere", ca, san=[x509.DNSName("elsewhere.test")])
    make("room", ca)
    make("room-expired", ca, start=-3 * DAY, end=-DAY)
    make("stranger", other)

    async def listen(name, tls, **options):
        server = await websockets.serve(
            echo, "127.0.0.1", 0, ssl=tls, subprotocols=["kaigi.v1"], compression=None, **options
        )
        print(name, server.sockets[0].getsockname()[1])

    async def listen_raw(name, handler, tls=None):
        server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls)
        print(name, server.sockets[0].getsockname()[1])

    await listen("good", context("server", client_ca="ca"))
    await listen("alpn", context("server", alpn=["kaigi-media", "http/1.1"]))
    await listen("expired", context("expired"))
    await listen("future", context("future"))
    await listen("elsewhere", context("elsewhere"))
    await listen("forbidden", context("server"), process_request=refuse)
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=demand, args=(listener, context("server", client_ca="ca")), daemon=True).start()
    print("demanding", listener.getsockname()[1])
    await listen("moved", context("server"), process_request=redirect)
    await listen_raw("proxy", proxy)
    await listen_raw("silent", silent)
    await listen_raw("frozen", frozen, context("server"))
    await listen_raw("garbage", garbage)
    await listen_raw("post", post, context("server"))
    print("ready", 0, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
