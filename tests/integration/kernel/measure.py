"""Asks this machine's kernel what it does: one row of the table in docs/simulation.md after the other.

Runs inside a network namespace (`unshare -rn`). A TUN device leads to a peer of this program's own, which speaks just
enough TCP, answers after a chosen time, and can fall silent. A packet socket gives the kernel's own time of each packet,
so that a busy machine falsifies nothing. Each argument is a row; each row prints lines of a name and numbers.
"""

import errno
import fcntl
import heapq
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

HERE, THERE = "10.9.0.1", "10.9.0.2"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
# Every protocol (`ETH_P_ALL`): only so does a packet socket see what leaves.
ALL, SO_TIMESTAMPNS = 3, 35


def sysctl(name, value):
    with open("/proc/sys/net/" + name, "w") as file:
        file.write(str(value))


def counters():
    """The kernel's counters of this namespace, by name."""
    lines = open("/proc/net/netstat").read().splitlines()
    found = {}
    for names, values in zip(lines[::2], lines[1::2]):
        found.update(zip(names.split()[1:], map(int, values.split()[1:])))
    return found


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Packet:
    """A TCP segment, as it was seen."""

    def __init__(self, data, at=None, out=True):
        ihl = (data[0] & 15) * 4
        head = struct.unpack("!HHIIBBHHH", data[ihl : ihl + 20])
        self.source, self.dest, self.seq, self.ack, offset, self.flags, self.window = head[:7]
        self.payload = data[ihl + (offset >> 4) * 4 : struct.unpack("!H", data[2:4])[0]]
        self.at, self.out, self.stamp = at, out, None
        options = data[ihl + 20 : ihl + (offset >> 4) * 4]
        while options and options[0] != 0:
            if options[0] == 1:
                options = options[1:]
                continue
            if options[0] == 8:
                self.stamp = struct.unpack("!I", options[2:6])[0]
            options = options[options[1] :]

    def takes(self):
        """Sequence numbers that it takes."""
        return len(self.payload) + bool(self.flags & (SYN | FIN))


class Wire:
    """The device, what is behind it, and what was seen on it."""

    def __init__(self):
        self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH", b"wire", IFF_TUN | IFF_NO_PI))
        for command in ("addr add %s/24 dev wire" % HERE, "link set wire up", "link set lo up"):
            subprocess.run(["ip"] + command.split(), check=True)
        self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL))
        self.tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.tap.bind(("wire", ALL))
        self.tap.setblocking(False)
        self.seen, self.due, self.peers, self.order = [], [], {}, 0

    def after(self, seconds, act):
        self.order += 1
        heapq.heappush(self.due, (time.monotonic() + seconds, self.order, act))

    def run(self, seconds, until=lambda: False):
        """Lets time pass."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end and not until():
            while self.due and self.due[0][0] <= now:
                heapq.heappop(self.due)[2]()
            next_due = self.due[0][0] if self.due else end
            wait = max(0.0, min(next_due, end, now + 0.1) - time.monotonic())
            ready = select.select([self.tun, self.tap], [], [], wait)[0]
            if self.tap in ready:
                self.look()
            if self.tun in ready:
                self.take()

    def look(self):
        while True:
            try:
                data, extra, _, address = self.tap.recvmsg(2048, 256)
            except BlockingIOError:
                return
            stamp = [struct.unpack("qq", value) for _, kind, value in extra if kind == SO_TIMESTAMPNS][0]
            if data[0] >> 4 == 4 and data[9] == 6:
                self.seen.append(Packet(data, stamp[0] + stamp[1] / 1e9, address[2] == socket.PACKET_OUTGOING))

    def take(self):
        while True:
            try:
                data = os.read(self.tun, 2048)
            except BlockingIOError:
                return
            if data[0] >> 4 == 4 and data[9] == 6:
                packet = Packet(data)
                peer = self.peers.get((packet.dest, packet.source)) or self.peers.get((packet.dest, None))
                if peer:
                    peer.hears(packet)

    def sent(self, port, flags=0, payload=False):
        """What the kernel sent from or to a port of the peer's, with these flags, or with data."""
        of = [packet for packet in self.seen if packet.out and packet.dest == port and packet.flags & flags == flags]
        return [packet for packet in of if packet.payload or not payload]


class Peer:
    """The other end of one connection, or of every one to its port."""

    def __init__(self, wire, port, kernel_port=None, delay=0.0, stamps=False):
        self.wire, self.port, self.kernel_port, self.delay, self.stamps = wire, port, kernel_port, delay, stamps
        self.seq, self.ack, self.window = 1000, 0, 65535
        self.skips, self.silent, self.echo = 0, False, 0
        self.established = self.reset = self.ended = False
        self.got = b""
        wire.peers[(port, kernel_port)] = self

    def send(self, flags, payload=b"", seq=None, ack=None):
        options = b""
        if self.stamps:
            stamp = int(time.monotonic() * 1000) & 0xFFFFFFFF
            options = struct.pack("!BBBBII", 1, 1, 8, 10, stamp, self.echo)
        seq, ack = self.seq if seq is None else seq, self.ack if ack is None else ack
        here, there = socket.inet_aton(THERE), socket.inet_aton(HERE)
        size = 20 + len(options)
        head = struct.pack(
            "!HHIIBBHHH", self.port, self.kernel_port, seq, ack, size // 4 << 4, flags, self.window, 0, 0
        )
        pseudo = here + there + struct.pack("!BBH", 0, 6, size + len(payload))
        total = checksum(pseudo + head + options + payload)
        head = head[:16] + struct.pack("!H", total) + head[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + size + len(payload), 0, 0, 64, 6, 0, here, there)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        os.write(self.wire.tun, ip + head + options + payload)

    def says(self, flags, payload=b""):
        """Sends what takes sequence numbers."""
        self.send(flags, payload)
        self.seq += len(payload) + bool(flags & (SYN | FIN))

    def hears(self, packet):
        if packet.stamp is not None:
            self.echo = packet.stamp
        if packet.flags & RST:
            self.reset = True
        elif packet.flags & SYN and packet.flags & ACK:
            self.ack, self.established = packet.seq + 1, True
            self.answered(packet)
        elif packet.flags & SYN:
            if self.skips:
                self.skips -= 1
                return
            self.kernel_port, self.ack = packet.source, packet.seq + 1
            self.wire.after(self.delay, lambda: self.send(SYN | ACK))
        elif packet.takes() and not self.silent:
            if packet.seq == self.ack:
                self.ack += packet.takes()
                self.got += packet.payload
                self.ended |= bool(packet.flags & FIN)
            self.wire.after(self.delay, lambda: self.send(ACK, seq=self.seq))
        elif packet.flags & ACK and not self.established and packet.ack == self.seq + 1:
            self.seq, self.established = self.seq + 1, True

    def answered(self, packet):
        """The kernel has taken its SYN."""
        self.seq += 1 if packet.ack == self.seq + 1 else 0
        self.wire.after(self.delay, lambda: self.send(ACK))


def dial(wire, port, source=0, wait=3.0):
    """A connect of the kernel's; nothing, if it can't begin."""
    end = socket.socket()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    end.setblocking(False)
    if source:
        end.bind((HERE, source))
    error = end.connect_ex((THERE, port))
    if error != errno.EINPROGRESS:
        end.close()
        return None
    peer = wire.peers[(port, None)]
    wire.run(wait, lambda: peer.established)
    return end


def listen(backlog):
    end = socket.socket()
    end.bind((HERE, 0))
    end.listen(backlog)
    end.setblocking(False)
    return end


def accept_all(listener):
    found = []
    while True:
        try:
            found.append(listener.accept()[0])
        except BlockingIOError:
            return found


def show(name, *numbers):
    print(name, *("%.6f" % number for number in numbers), flush=True)


def round_trip(wire, port):
    """Between the SYN that was answered and its answer."""
    answer = [packet for packet in wire.seen if not packet.out and packet.source == port and packet.flags & SYN][0]
    syn = [packet for packet in wire.sent(port, SYN) if packet.at < answer.at][-1]
    return answer.at - syn.at


def repeats(wire, port):
    """When data, or a FIN after it, left again: seconds after it left first."""
    data = wire.sent(port, payload=True)
    return [packet.at - data[0].at for packet in data[1:]]


def timers(wire, tag, delays, seconds, skips=0, stamps=False):
    """Connects, writes, and hears nothing more."""
    for number, delay in enumerate(delays):
        peer = Peer(wire, 100 + number, delay=delay, stamps=stamps)
        peer.skips = skips
        end = dial(wire, 100 + number)
        peer.silent = True
        end.send(b"hello")
        peer.end = end
    wire.run(seconds)
    for number in range(len(delays)):
        show(tag, round_trip(wire, 100 + number), *repeats(wire, 100 + number))


def row_nothing(wire):
    """Whether there is a device, and a kernel behind it."""
    show("nothing", 0)


def row_timer(wire):
    timers(wire, "timer", [0.0, 0.02, 0.04, 0.066, 0.1, 0.3], 4.0)


def row_timer_repeated(wire):
    timers(wire, "timer-repeated", [0.04], 4.5, skips=1)


def row_timer_stamped(wire):
    timers(wire, "timer-stamped", [0.04], 2.5, skips=1, stamps=True)


def row_syns(wire):
    """No peer: SYNs into the dark."""
    end = socket.socket()
    end.setblocking(False)
    end.connect_ex((THERE, 100))
    wire.run(11.5)
    syns = wire.sent(100, SYN)
    show("syns", *(syn.at - syns[0].at for syn in syns))


def retries(wire, retries, delay, seconds):
    sysctl("ipv4/tcp_retries2", retries)
    peer = Peer(wire, 100, delay=delay)
    end = dial(wire, 100)
    peer.silent = True
    end.send(b"hello")
    poll = select.poll()
    poll.register(end, select.POLLERR)
    found = []

    def over():
        if not found and poll.poll(0):
            found.append(time.time())
        return bool(found)

    wire.run(seconds, over)
    began = wire.sent(100, payload=True)[0].at
    show("retries-%d" % retries, round_trip(wire, 100), found[0] - began if found else -1, *repeats(wire, 100))


def row_retries_fast(wire):
    retries(wire, 5, 0.04, 19.0)


def row_retries_slow(wire):
    retries(wire, 5, 0.3, 19.0)


def row_orphan(wire):
    """Closes with data unacknowledged."""
    peer = Peer(wire, 100, delay=0.04)
    end = dial(wire, 100)
    peer.silent = True
    end.send(b"hello")
    end.close()
    wire.run(150.0)
    others = [packet for packet in wire.sent(100) if packet.at > wire.sent(100, payload=True)[-1].at + 1]
    show("orphan", round_trip(wire, 100), *repeats(wire, 100))
    show("orphan-after", len(others))
    # Its kernel has forgotten it.
    peer.send(ACK | PSH, b"late", seq=peer.seq)
    wire.run(0.5)
    show("orphan-reset", float(peer.reset))


def burst(wire, tag, backlog, count):
    """Connects within one round trip, to a process that accepts nothing."""
    listener = listen(backlog)
    port = listener.getsockname()[1]
    before = counters()
    peers = [Peer(wire, 2000 + number, port, stamps=True) for number in range(count)]
    for peer in peers:
        # Their third segments come a round trip later.
        peer.delay = 0.3
        peer.send(SYN)
    wire.run(0.25)
    show(tag + "-answered", sum(peer.established for peer in peers))
    wire.run(0.3)
    for peer in peers:
        peer.says(ACK | PSH, b"hello")
    wire.run(0.3)
    late = Peer(wire, 3000, port, stamps=True)
    late.send(SYN)
    wire.run(0.3)
    after = counters()
    show(tag + "-late", float(late.established))
    show(tag + "-counted", *(after[name] - before[name] for name in ("ListenOverflows", "ListenDrops")))
    taken = [packet.dest for packet in wire.seen if packet.out and packet.ack == 1006]
    show(tag + "-acknowledged", len(set(taken)))
    first = accept_all(listener)
    show(tag + "-accepted", len(first))
    # There is room: what was dropped is taken when it comes again.
    for peer in peers:
        if peer.port not in taken:
            peer.send(ACK | PSH, b"hello", seq=peer.seq - 5)
    wire.run(0.3)
    second = accept_all(listener)
    show(tag + "-later", len(second))
    show(tag + "-data", sum(end.recv(10) == b"hello" for end in first + second))


def row_queue(wire):
    burst(wire, "queue", 4, 9)


def row_queue_zero(wire):
    burst(wire, "queue-zero", 0, 2)


def row_somaxconn(wire):
    sysctl("core/somaxconn", 2)
    burst(wire, "somaxconn", 100, 6)


def row_queue_expires(wire):
    """A connect whose third segment found the queue full: when its data is answered with RST at last."""
    for tag, count in (("expires", 2), ("expires-cookie", 6)):
        listener = listen(0)
        port = listener.getsockname()[1]
        peers = [Peer(wire, port + 1 + number, port, stamps=True) for number in range(count)]
        for peer in peers:
            peer.delay = 200.0
            peer.send(SYN)
        wire.run(0.3)
        for peer in peers:
            peer.says(ACK | PSH, b"hello")
            wire.run(0.05)
        last = peers[-1]
        began = time.monotonic()
        while not last.reset and time.monotonic() < began + 140:
            last.send(ACK | PSH, b"hello", seq=last.seq - 5)
            wire.run(1.0)
        show(tag, time.monotonic() - began if last.reset else -1)
        answers = [packet for packet in wire.sent(last.port, SYN)]
        show(tag + "-answers", *(packet.at - answers[0].at for packet in answers))


def in_child(act):
    """Has another process listen, and does something in it with each connection."""
    listener = listen(4)
    child = os.fork()
    if child == 0:
        act(listener)
        os._exit(0)
    return listener, child


def row_stopped(wire):
    """A process is stopped: its queue fills as if it did not accept."""

    def work(listener):
        listener.setblocking(True)
        ends = []
        while True:
            ends.append(listener.accept()[0])

    listener, child = in_child(work)
    port = listener.getsockname()[1]
    os.kill(child, signal.SIGSTOP)
    os.waitpid(child, os.WUNTRACED)
    peers = [Peer(wire, 2000 + number, port, stamps=True) for number in range(8)]
    for peer in peers:
        peer.send(SYN)
        wire.run(0.05)
        if peer.established:
            peer.says(ACK | PSH, b"hello")
            wire.run(0.05)
    show("stopped-answered", sum(peer.established for peer in peers))
    taken = lambda: len({packet.dest for packet in wire.seen if packet.out and packet.ack == 1006})
    show("stopped-acknowledged", taken())
    os.kill(child, signal.SIGCONT)
    wire.run(0.2)
    for peer in peers:
        if not peer.established:
            peer.send(SYN)
    wire.run(0.2)
    show("stopped-later", sum(peer.established for peer in peers))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def row_killed(wire):
    """A process is killed: how its connections end."""

    def work(listener):
        listener.setblocking(True)
        ends = []
        while True:
            ends.append(listener.accept()[0])

    listener, child = in_child(work)
    port = listener.getsockname()[1]
    listener.close()
    idle, unread = (Peer(wire, 2000 + number, port) for number in range(2))
    for peer in (idle, unread):
        peer.send(SYN)
    wire.run(0.3)
    unread.says(ACK | PSH, b"hello")
    wire.run(0.3)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    wire.run(0.3)
    show("killed-idle", float(idle.ended), float(idle.reset))
    show("killed-unread", float(unread.ended), float(unread.reset))
    # What comes later meets a kernel that knows nothing of it; and nobody listens.
    idle.says(ACK | PSH, b"late")
    anew = Peer(wire, 2100, port)
    anew.send(SYN)
    wire.run(0.3)
    show("killed-late", float(idle.reset))
    show("killed-refused", float(anew.reset), float(anew.established))


def row_half_open(wire):
    """Data of a connection that the kernel does not know."""
    listener = listen(4)
    peer = Peer(wire, 2000, listener.getsockname()[1])
    peer.ack = 77
    peer.send(ACK | PSH, b"hello")
    wire.run(0.3)
    show("half-open-listening", float(peer.reset))
    peer = Peer(wire, 2001, 9)
    peer.ack = 77
    peer.send(ACK | PSH, b"hello")
    wire.run(0.3)
    show("half-open-closed", float(peer.reset))
    # The kernel's own connection meets a peer that has forgotten it.
    forgetful = Peer(wire, 100)
    end = dial(wire, 100)
    forgetful.silent = True
    end.send(b"hello")
    wire.run(0.05)
    forgetful.send(RST | ACK, seq=forgetful.seq)
    wire.run(0.1)
    try:
        end.recv(10)
        show("half-open-told", 0)
    except ConnectionResetError:
        show("half-open-told", 1)


def ports_run_out(wire, port, first_to_close):
    """How many connects there are with ten ports, each closed before the next."""
    made = 0
    for _ in range(25):
        peer = Peer(wire, port)
        end = dial(wire, port, wait=1.0)
        if end is None:
            return made
        made += 1
        if first_to_close == "peer":
            peer.says(FIN | ACK)
            wire.run(0.05)
            end.close()
            wire.run(0.05)
        else:
            end.close()
            wire.run(0.05)
            peer.says(FIN | ACK)
            wire.run(0.05)
    return made


def row_time_wait(wire):
    sysctl("ipv4/ip_local_port_range", "40001\t40010")
    show("ports-client-first", ports_run_out(wire, 100, "kernel"))
    show("ports-other-server", ports_run_out(wire, 101, "peer"))


def row_time_wait_server(wire):
    """The kernel's listener closes first: the same client comes again from the same port."""
    listener = listen(4)
    port = listener.getsockname()[1]
    for tag, stamps, step in (("stamped", True, 1), ("higher", False, 100_000), ("lower", False, -100_000)):
        number = {"stamped": 2000, "higher": 2001, "lower": 2002}[tag]
        peer = Peer(wire, number, port, stamps=stamps)
        peer.seq = 500_000
        peer.send(SYN)
        wire.run(0.2)
        accept_all(listener)[0].close()
        wire.run(0.2)
        peer.says(FIN | ACK)
        wire.run(0.2)
        again = Peer(wire, number, port, stamps=stamps)
        again.seq, again.echo = peer.seq + step, peer.echo
        if stamps:
            # The stamp must be later than the last.
            time.sleep(0.01)
        again.send(SYN, ack=0)
        wire.run(0.3)
        show("time-wait-" + tag, float(again.established))


def row_time_wait_long(wire):
    """For how long a port is held: by the side that closed first, and of that which was never answered with FIN."""
    ends = {}
    for port, answers in ((100, True), (101, False)):
        peer = Peer(wire, port)
        end = dial(wire, port, source=40_000)
        end.close()
        wire.run(0.05)
        if answers:
            peer.says(FIN | ACK)
        ends[port] = time.monotonic()
    held = {}

    def free():
        for port in (100, 101):
            if port not in held:
                Peer(wire, port)
                again = socket.socket()
                again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                again.setblocking(False)
                again.bind((HERE, 40_000))
                if again.connect_ex((THERE, port)) == errno.EINPROGRESS:
                    held[port] = time.monotonic() - ends[port]
                again.close()
        return len(held) == 2

    while not free() and time.monotonic() < ends[100] + 130:
        wire.run(0.25)
    show("held-time-wait", held.get(100, -1))
    show("held-fin-wait-2", held.get(101, -1))


def row_probes(wire):
    """The other process does not read: its kernel's window is closed."""
    peer = Peer(wire, 100, delay=0.04)
    end = dial(wire, 100)
    peer.window = 0
    peer.send(ACK)
    wire.run(0.2)
    end.send(b"hello")
    wire.run(8.0)
    probes = [packet for packet in wire.sent(100) if packet.seq + 1 == peer.ack or packet.payload]
    show("probes", round_trip(wire, 100), *(probe.at - probes[0].at for probe in probes[1:]))
    # It reads again: what has waited comes at once.
    peer.window = 65535
    peer.send(ACK)
    wire.run(0.3)
    show("probes-then", float(peer.got == b"hello"))


def row_race(wire):
    """The third segment is lost, or comes with the data: the connection is there all the same."""
    listener = listen(4)
    peer = Peer(wire, 2000, listener.getsockname()[1])
    peer.answered = lambda packet: setattr(peer, "seq", peer.seq + 1)
    peer.send(SYN)
    wire.run(0.2)
    show("race-before", len(accept_all(listener)))
    peer.says(ACK | PSH, b"hello")
    wire.run(0.2)
    ends = accept_all(listener)
    show("race", len(ends), float(bool(ends) and ends[0].recv(10) == b"hello"))


if __name__ == "__main__":
    for row in sys.argv[1:]:
        globals()["row_" + row.replace("-", "_")](Wire())
