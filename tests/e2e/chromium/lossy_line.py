"""A UDP line between a browser and the relay that loses and delays datagrams, each way by itself."""
import asyncio
import random
import re


class _Side(asyncio.DatagramProtocol):
    def __init__(self, take):
        self.take = take

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.take(data, address)

    def error_received(self, error):
        pass  # a refused datagram is a lost one


class LossyLine:
    def __init__(self, relay_address, relay_port, *, delay_s=0.02, seed=1):
        self.relay, self.delay_s, self.loss = (relay_address, relay_port), delay_s, 0.0
        self.random = random.Random(seed)
        self.outer, self.inner, self.passed, self.lost = None, {}, 0, 0

    async def open(self):
        loop = asyncio.get_running_loop()
        _, self.outer = await loop.create_datagram_endpoint(lambda: _Side(self._from_browser),
                                                            local_addr=(self.relay[0], 0))
        self.port = self.outer.transport.get_extra_info("sockname")[1]
        return self

    def close(self):
        for side in filter(None, [self.outer, *self.inner.values()]):
            side.transport.close()

    def instead_of(self, answer):
        """The answer with this line's port in its candidates."""
        return re.sub(r"(?m)^(a=candidate:\S+ 1 udp \d+ \S+) \d+ ", rf"\g<1> {self.port} ", answer, flags=re.I)

    def _pass(self, side, data, address):
        if self.random.random() < self.loss:
            self.lost += 1
            return
        self.passed += 1
        asyncio.get_running_loop().call_later(self.delay_s, self._send, side, data, address)

    @staticmethod
    def _send(side, data, address):
        if not side.transport.is_closing():
            side.transport.sendto(data, address)

    def _from_browser(self, data, address):
        side = self.inner.get(address)
        if side:
            self._pass(side, data, None)
        else:  # the first check is dropped; it is repeated
            self.inner[address] = None
            asyncio.get_running_loop().create_task(self._open_inner(address))

    async def _open_inner(self, address):
        _, self.inner[address] = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Side(lambda data, _: self._pass(self.outer, data, address)), remote_addr=self.relay)
