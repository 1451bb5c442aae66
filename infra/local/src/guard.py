"""Runs servers for as long as somebody holds their lock file, then ends them and everything they started.

The specification arrives as JSON on standard input. Users of the servers hold a shared lock on `lock`; this
process ends the servers once it has been able to take that lock exclusively for `grace` seconds on end. It holds
`alive` exclusively for as long as it lives, so whoever can take that one knows that nothing runs.
"""

import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time

POLL_SECONDS = 0.2
STOP_SECONDS = 10
FIRST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS = 0.1, 5
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def parents():
    """The parent of every process of this machine."""
    found = {}
    if os.path.isdir("/proc/self"):
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open(f"/proc/{name}/stat", "rb") as stat:
                    found[int(name)] = int(stat.read().rpartition(b")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
        return found
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False)
    for line in listing.stdout.splitlines():
        pid, parent = line.split()
        found[int(pid)] = int(parent)
    return found


def descendants(*roots):
    """Every process that descends from the given ones, without them.

    This process adopts the orphans among its own, so none of those is missed.
    """
    table, found, rest = parents(), set(), list(roots)
    while rest:
        parent = rest.pop()
        for pid, its_parent in table.items():
            if its_parent == parent and pid not in found:
                found.add(pid)
                rest.append(pid)
    return found


def reap():
    """The processes that have ended since the last call."""
    ended = set()
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.add(pid)


def kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Server:
    """One server, and when to start it."""

    def __init__(self, spec):
        self.spec = spec
        self.pid = None
        # Kept, because `subprocess` waits for the processes whose objects are gone whenever it starts another one, and
        # what has been waited for there is never seen to have ended here.
        self.process = None
        self.started_at = self.start_at = 0.0
        self.back_off = FIRST_BACK_OFF_SECONDS
        self.program = None

    def may_start(self):
        """Whether its back-off is over and what it needs answers."""
        if time.monotonic() < self.start_at:
            return False
        if self.spec["needs_port"] is None:
            return True
        try:
            socket.create_connection(("127.0.0.1", self.spec["needs_port"]), timeout=1).close()
            return True
        except OSError:
            return False

    def start(self):
        def die_with_the_guard():
            if LIBC:
                LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        user = self.spec["user"]
        account = {"user": user["uid"], "group": user["gid"], "extra_groups": []} if user else {}
        self.program = self.program_state()
        with open(self.spec["log"], "ab") as log:
            self.process = subprocess.Popen(
                self.spec["argv"],
                cwd=self.spec["directory"],
                env={**os.environ, **self.spec["environment"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_the_guard,
                **account,
            )
        self.pid = self.process.pid
        self.started_at = time.monotonic()

    def ended(self):
        """Notes that it has ended, and puts off its next start: twice as long each time it ends soon."""
        lived = time.monotonic() - self.started_at
        # It has been waited for; its number may be another process's by now.
        self.process.returncode = 0
        self.pid = None
        self.back_off = FIRST_BACK_OFF_SECONDS if lived > 10 else min(self.back_off * 2, LONGEST_BACK_OFF_SECONDS)
        self.start_at = time.monotonic() + self.back_off

    def program_state(self):
        try:
            status = os.stat(self.spec["argv"][0])
            return status.st_mtime_ns, status.st_size
        except OSError:
            return None

    def program_changed(self):
        """Whether the program was built anew since it was started, and is no longer being written."""
        if not self.spec["reload"]:
            return False
        now = self.program_state()
        return now not in (None, self.program) and time.time() - now[0] / 1e9 > 1

    def signal(self):
        kill(self.pid, getattr(signal, "SIG" + self.spec["stop_signal"]))


class Guard:
    def __init__(self, spec):
        self.alive = open(spec["alive"], "a")
        fcntl.flock(self.alive, fcntl.LOCK_EX)
        self.lock = open(spec["lock"], "a")
        self.grace = spec["grace"]
        self.forget = spec["forget"]
        self.servers = [Server(server) for server in spec["servers"]]
        self.free_since = None
        self.asked_to_stop = False

    def unused(self):
        """Whether nobody has held the lock for the grace period; it is then kept, so nobody can join any more."""
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.free_since = None
            return False
        now = time.monotonic()
        if self.free_since is None:
            self.free_since = now
        if now - self.free_since >= self.grace:
            return True
        fcntl.flock(self.lock, fcntl.LOCK_UN)
        return False

    def running(self):
        return [server for server in self.servers if server.pid is not None]

    def note_ended(self):
        """Notes the servers that have ended and kills what they left; false when one ended that must not."""
        ended = reap()
        dead = [server for server in self.running() if server.pid in ended]
        for server in dead:
            server.ended()
        if dead:
            live = {server.pid for server in self.running()}
            for orphan in descendants(os.getpid()) - live - descendants(*live):
                kill(orphan, signal.SIGKILL)
        return all(server.spec["restart"] for server in dead)

    def stop(self):
        """Asks the servers to stop, then kills whatever is left of them and of what they started."""
        started = descendants(os.getpid())
        for server in self.running():
            server.signal()
        deadline = time.monotonic() + STOP_SECONDS
        while self.running() and time.monotonic() < deadline:
            time.sleep(0.02)
            for pid in reap():
                for server in self.running():
                    if server.pid == pid:
                        server.pid = None
        started |= descendants(os.getpid())
        while started:
            for pid in started:
                kill(pid, signal.SIGKILL)
            time.sleep(0.02)
            reap()
            started = descendants(os.getpid())

    def run(self):
        while not self.asked_to_stop and not self.unused() and self.note_ended():
            for server in self.servers:
                if server.pid is None and server.may_start():
                    server.start()
                elif server.pid is not None and server.program_changed():
                    server.signal()
            time.sleep(POLL_SECONDS)
        self.stop()
        for path in self.forget:
            try:
                os.remove(path)
            except FileNotFoundError:
                pass


def main():
    os.setsid()
    guard = Guard(json.load(sys.stdin))

    def ask_to_stop(_number, _frame):
        guard.asked_to_stop = True

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if LIBC:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    guard.run()


main()
