#!/usr/bin/python3
"""The relay's figures for Prometheus, as a scraper on its host sees them; nobody else does."""
import asyncio
import re
import socket
import time
import unittest
import urllib.error
import urllib.request

from harness import Relay

LINE = re.compile(r'([a-z_]+)(\{worker="\d+"\})? (-?\d+(?:\.\d+)?)')


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def scrape(port, path="/metrics"):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers
        return answer.read().decode()


def figures(port):
    found = {}
    for line in scrape(port).splitlines():
        if line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        assert match, f"not in the exposition format: {line}"
        found[match[1] + (match[2] or "")] = float(match[3])
    return found


class Metrics(unittest.TestCase):
    def test_figures_follow_what_happens(self):
        port = free_port()
        with Relay(settings=f"[metrics]\nport={port}\n") as relay:
            asyncio.run(self.watch(relay, port))
            with self.assertRaises(urllib.error.HTTPError) as other:
                scrape(port, "/other")
            self.assertEqual(other.exception.code, 404)
            with self.assertRaises(OSError):  # on loopback's first address alone
                socket.create_connection(("127.0.0.2", port), timeout=2)

    async def watch(self, relay, port):
        async with relay.client("a"):
            deadline = time.monotonic() + 15  # workers are asked every five seconds
            while figures(port)["kaigi_rooms_connected"] != 1:
                self.assertLess(time.monotonic(), deadline, scrape(port))
                await asyncio.sleep(0.2)
            now = figures(port)
            self.assertEqual(now["kaigi_rooms_known"], 2)
            self.assertEqual(now["kaigi_store_ok"], 1)
            self.assertGreater(now["kaigi_relay_certificate_end_seconds"], time.time())
            self.assertGreater(now["process_resident_memory_bytes"], 1 << 20)
            self.assertIn('kaigi_worker_packets_in_total{worker="0"}', now)

    def test_nothing_listens_unless_asked(self):
        port = free_port()
        with Relay(), self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
