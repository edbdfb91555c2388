"""Floods of enrolments from several addresses: answered in bounded time and memory while rooms and an honest device are
served. FLOOD, from the environment, is the number of requests (1,000)."""
import asyncio
import base64
import json
import os
import pathlib
import resource
import socket
import ssl
import subprocess
import sys
import time
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from world import EST, Device, World

from kaigi_client import ControlClient

REQUESTS = int(os.environ.get("FLOOD", "1000"))
AT_ONCE = 100


async def one(port, context, body, source, statuses):
    head = (f"POST {EST}/simpleenroll HTTP/1.1\r\nHost: x\r\nContent-Type: application/pkcs10\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(
            "127.0.0.1", port, ssl=context, local_addr=(source, 0)), 30)
        writer.write(head + body)
        line = await asyncio.wait_for(reader.readline(), 30)
        status = int(line.split()[1]) if line else 0
        writer.transport.abort()
    except (OSError, ssl.SSLError, asyncio.TimeoutError, asyncio.IncompleteReadError) as e:
        status = type(e).__name__
    statuses[status] = statuses.get(status, 0) + 1


def client_hello(alpn):
    context = ssl.create_default_context()
    context.set_alpn_protocols([alpn])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing, server_hostname="x").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def flood(port, ca, bodies):
    """In a process of its own, so that its labour is not taken for the relay's. Prints what was answered how often."""
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    statuses = {}

    async def worker(number):
        for i in range(number, REQUESTS, AT_ONCE):
            await one(port, context, bodies[i % len(bodies)], f"127.0.8.{i % 20 + 1}", statuses)

    async def everybody():
        await asyncio.gather(*(worker(n) for n in range(AT_ONCE)))

    asyncio.run(everybody())
    print(json.dumps(statuses))


class Flood(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.world = World().__enter__()
        self.addCleanup(lambda: self.world.__exit__(None))
        self.world.room("kaku-1")

    def bodies(self, count):
        """Sound requests of as many keys."""
        out = []
        for i in range(count):
            device = Device(self.world, f"flood{i}").make_request()
            out.append(device.body())
        return out

    def memory(self):
        text = pathlib.Path(f"/proc/{self.world.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS")))

    async def test_many_addresses_fill_the_queue_and_no_more(self):
        """320 keys from 40 addresses: 256 wait, the others are put off, and whoever is refused makes room."""
        world, waiting = self.world, []
        context = ssl.create_default_context(cafile=world.ca)
        context.check_hostname = False
        for i in range(320):
            key = ec.generate_private_key(ec.SECP256R1())
            request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
            waiting.append((base64.b64encode(request.public_bytes(serialization.Encoding.DER)), f"127.0.8.{i % 40 + 1}"))

        async def ask(body, source):
            statuses = {}
            await one(world.port, context, body, source, statuses)
            return next(iter(statuses))

        deadline = time.monotonic() + 60
        while len(waiting) > 64 and time.monotonic() < deadline:
            some, waiting = waiting[:30], waiting[30:]
            answers = await asyncio.gather(*(ask(*each) for each in some))
            self.assertLessEqual(set(answers), {202, 503})
            waiting += [each for each, status in zip(some, answers) if status != 202]
            await asyncio.sleep(0.5)
        pending = world.tell("room-pending")["devices"]
        self.assertEqual((len(pending), len(waiting)), (256, 64))
        await asyncio.sleep(2)  # so that it is not for its speed that it is put off
        self.assertEqual(await ask(*waiting[0]), 503)
        self.assertEqual(len(world.tell("room-pending")["devices"]), 256)
        world.tell("room-reject", code=pending[0]["code"])
        await asyncio.sleep(2)
        self.assertEqual(await ask(*waiting[0]), 202)

    async def test_three_thousand_slow_handshakes(self):
        """Strangers who say hello to TLS and nothing more, on both ways in, while rooms work and come."""
        world, room, strangers, waits = self.world, self.world.rooms["kaku-1"], [], []
        files = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(5000, files[1]), files[1]))
        client = lambda: ControlClient("127.0.0.1", world.port, ca=world.ca, cert=room.cert, key=room.key)  # noqa: E731
        async with client() as first:
            for alpn in ("http/1.1", "kaigi-media"):
                hello = client_hello(alpn)
                for i in range(1500):
                    stranger = socket.create_connection(("127.0.0.1", world.port), 5, (f"127.0.8.{i % 20 + 1}", 0))
                    self.addCleanup(stranger.close)
                    stranger.sendall(hello)
                    if i % 50 == 0:
                        waits.append(await first.ping())
            begun = time.monotonic()
            async with client() as again:  # takes the first one's place
                await again.ping()
            took = time.monotonic() - begun
        print(f"3000 stalled handshakes: a room's ping {max(waits) * 1000:.0f} ms (longest), it is in again in {took * 1000:.0f} ms")
        self.assertLess(max(waits), 1)
        self.assertLess(took, 3)

    async def test_ten_thousand_requests(self):
        world, bodies = self.world, await asyncio.to_thread(self.bodies, 40)
        room = world.rooms["kaku-1"]
        waits, over = [], asyncio.Event()
        async with ControlClient("127.0.0.1", world.port, ca=world.ca, cert=room.cert, key=room.key) as client:
            await client.ping()
            before = self.memory()

            async def watch():
                while not over.is_set():
                    waits.append(await client.ping())
                    await asyncio.sleep(0.02)

            watcher = asyncio.create_task(watch())
            begun = time.monotonic()
            given = world.folder / "bodies.json"
            given.write_text(json.dumps([b.decode() for b in bodies]))
            attack = await asyncio.create_subprocess_exec(sys.executable, __file__, "flood", str(world.port), str(world.ca),
                                                          str(given), stdout=subprocess.PIPE)
            ended = asyncio.create_task(attack.communicate())
            # Meanwhile an honest device elsewhere, as often as it takes: all share 30 requests a second.
            device = Device(world, "honest", source="127.0.9.1").make_request()
            tries, enrolled = 0, None
            while enrolled is None and tries < 40:
                tries += 1
                answer = await asyncio.to_thread(device.post)
                if answer.status == 202:
                    enrolled = time.monotonic() - begun
                else:
                    self.assertEqual(answer.status, 503)
                    await asyncio.sleep(float(answer.headers["retry-after"]))
            statuses = json.loads((await ended)[0])
            took = time.monotonic() - begun
            over.set()
            await watcher
        waits.sort()
        after = self.memory()
        pending = world.tell("room-pending")["devices"]
        print(f"{REQUESTS} requests in {took:.1f} s, answers {statuses}; a room's ping {waits[len(waits) // 2] * 1000:.0f} ms "
              f"(median) {waits[-1] * 1000:.0f} ms (longest); {before} KiB before, {after} KiB after; an honest device waits "
              f"for approval after {enrolled} s, {tries} tries; {len(pending)} pending")
        self.assertIsNotNone(enrolled, "the honest device did not get through")
        lost = sum(n for status, n in statuses.items() if status not in ("202", "503"))
        self.assertLess(lost, REQUESTS / 20, statuses)
        self.assertLess(waits[-1], 3)
        self.assertLess(after - before, 200000)
        self.assertLessEqual(len(pending), 8 * 20 + 1)
        self.assertEqual(len({d["fingerprint"] for d in pending}), len(pending))
        rows = subprocess.run(["sqlite3", f"file:{world.state}/kaigi.db?mode=ro", "SELECT count(*) FROM audit"], check=True,
                              capture_output=True, text=True).stdout
        self.assertLess(int(rows), len(pending) + 100, "a flood does not fill the trail")


if __name__ == "__main__":
    if sys.argv[1:2] == ["flood"]:
        flood(int(sys.argv[2]), sys.argv[3], [b.encode() for b in json.loads(pathlib.Path(sys.argv[4]).read_text())])
        sys.exit()
    unittest.main(verbosity=2)
