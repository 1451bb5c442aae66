"""Runs one server for as long as somebody holds its lock file, then ends it and everything it started.

The specification arrives as JSON on standard input. Users of the server hold a shared lock on `lock`; this
process ends the server once it has been able to take that lock exclusively for `grace` seconds on end. It holds
`alive` exclusively for as long as it lives, so whoever can take that one knows that nothing runs.
"""

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time

POLL_SECONDS = 0.2
STOP_SECONDS = 10
LONGEST_BACK_OFF_SECONDS = 5
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


def descendants():
    """Every process that descends from this one; orphans are adopted by it, so none is missed."""
    table, found, rest = parents(), set(), [os.getpid()]
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


class Guard:
    def __init__(self, spec):
        self.spec = spec
        self.alive = open(spec["alive"], "a")
        fcntl.flock(self.alive, fcntl.LOCK_EX)
        self.lock = open(spec["lock"], "a")
        self.free_since = None
        self.asked_to_stop = False
        self.log = open(spec["log"], "ab")

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
        if now - self.free_since >= self.spec["grace"]:
            return True
        fcntl.flock(self.lock, fcntl.LOCK_UN)
        return False

    def start(self):
        def die_with_the_guard():
            if LIBC:
                LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        user = self.spec.get("user")
        account = {"user": user["uid"], "group": user["gid"], "extra_groups": []} if user else {}
        return subprocess.Popen(
            self.spec["argv"],
            cwd=self.spec["directory"],
            env={**os.environ, **self.spec["environment"]},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            preexec_fn=die_with_the_guard,
            **account,
        ).pid

    def stop(self, server):
        """Asks the server to stop, then kills whatever is left of it and of what it started."""
        started = descendants()
        if server is not None:
            kill(server, getattr(signal, "SIG" + self.spec["stop_signal"]))
            deadline = time.monotonic() + STOP_SECONDS
            while server not in reap() and time.monotonic() < deadline:
                time.sleep(0.02)
        started |= descendants()
        while started:
            for pid in started:
                kill(pid, signal.SIGKILL)
            time.sleep(0.02)
            reap()
            started = descendants()

    def run(self):
        back_off, server, started_at, start_at = 0.1, None, 0.0, 0.0
        while not self.asked_to_stop and not self.unused():
            ended = reap()
            if server is not None and server in ended:
                server = None
                self.stop(None)
                if not self.spec["restart"]:
                    break
                lived = time.monotonic() - started_at
                back_off = 0.1 if lived > 10 else min(back_off * 2, LONGEST_BACK_OFF_SECONDS)
                start_at = time.monotonic() + back_off
            if server is None and time.monotonic() >= start_at:
                server = self.start()
                started_at = time.monotonic()
            time.sleep(POLL_SECONDS)
        self.stop(server)
        for path in self.spec["forget"]:
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
