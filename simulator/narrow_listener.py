#!/usr/bin/env python3
"""The popular add-on's socket code without Blender: what Node cannot imitate.

It listens with a backlog of 1 and takes one connection a tick, so that a burst of connects stalls
in the kernel as it does in front of a real Blender. Behind it: bare JSON read until the whole
buffer parses, a thread a client, one main thread at a 5 ms beat, one standard output that
execute_code captures with everybody's lines in it, and a load_file that forgets queued commands.
Code is never run: only lines like `# sim: {"command":"echo","params":{}}` in it mean something.

Prints `listening PORT` first and `holding` when a `hold` begins; at SIGTERM, SIGINT (or, with
--stop-on-eof, the end of its input) prints one JSON line of statistics and ends. Python 3.9 or newer.
"""

import argparse
import collections
import contextlib
import io
import itertools
import json
import os
import re
import signal
import socket
import sys
import threading
import time
import _thread

BACKLOG = 1
RECV_BYTES = 8192
HOLD_SECONDS = 20
SIM_LINE = re.compile(r"^[ \t]*#[ \t]*sim:[ \t]*(\{.*\})[ \t]*$", re.MULTILINE)
MULTIBYTE = "a\u00e9\u2192\U0001d11e"  # 1, 2, 3 and 4 bytes


class Stop(BaseException):
    """Raised in the main thread by a signal."""


class Beat:
    """Ticks at fixed times, as Blender's event loop does."""

    def __init__(self, ms):
        self.seconds = ms / 1000

    def wait(self):
        time.sleep(self.seconds - time.monotonic() % self.seconds)


class Tally:
    """What was seen, counted from this side."""

    def __init__(self):
        self.lock = threading.Lock()
        self.connects = 0
        self.commands = 0
        self.answered = 0
        self.ran = set()
        self.numbers = itertools.count(1)

    def connected(self):
        with self.lock:
            self.connects += 1

    def received(self):
        with self.lock:
            self.commands += 1

    def report(self):
        return {
            "connects": self.connects,
            "commands": self.commands,
            "answered": self.answered,
            "lost": max(0, self.commands - len(self.ran)),
        }


class MainThread:
    """Runs one registered function a beat; load_file forgets the rest."""

    def __init__(self, beat):
        self.beat = beat
        self.timers = collections.deque()

    def register(self, function):
        self.timers.append(function)

    def forget(self):
        self.timers.clear()

    def run(self):
        while True:
            self.beat.wait()
            if self.timers:
                self.timers.popleft()()


class Commands:
    """The few commands it has. Their names and parameters are the protocol's."""

    def __init__(self, main_thread, tally, report):
        self.main_thread = main_thread
        self.tally = tally
        self.report = report

    def run(self, name, params):
        command = getattr(self, f"do_{name}", None)
        if command is None:
            return {"status": "error", "message": f"Unknown command type: {name}"}
        try:
            return {"status": "success", "result": command(**params)}
        except Exception as error:
            return {"status": "error", "message": str(error)}

    def do_get_scene_info(self):
        return {"name": "Scene", "object_count": 0, "objects": [], "materials_count": 0}

    def do_execute_code(self, code):
        value = None
        with contextlib.redirect_stdout(io.StringIO()) as captured:
            for line in SIM_LINE.findall(code):
                call = json.loads(line)
                reply = self.run(call["command"], call.get("params", {}))
                if reply["status"] == "error":
                    raise RuntimeError(f"Code execution error: {reply['message']}")
                value = reply["result"]
        return {"executed": True, "result": captured.getvalue(), "value": value}

    def do_echo(self, **params):
        return params

    def do_sleep(self, ms=0):
        time.sleep(ms / 1000)
        return {"slept": ms}

    def do_hold(self, connects=0, commands=0):
        """Busy until so many connections and commands came: a pause without a clock."""
        deadline = time.monotonic() + HOLD_SECONDS
        self.report("holding")
        while self.tally.connects < connects or self.tally.commands < commands:
            if time.monotonic() > deadline:
                raise RuntimeError("held too long")
            time.sleep(0.001)
        return {"held": True}

    def do_print(self, text=""):
        print(text)
        return {"printed": len(text)}

    def do_big(self, bytes=0, multibyte=False):
        if not multibyte:
            return "x" * bytes
        return MULTIBYTE * (bytes // 10) + "x" * (bytes % 10)

    def do_fail(self, message="failed on demand"):
        raise RuntimeError(message)

    def do_load_file(self, filepath="untitled.blend"):
        self.main_thread.forget()
        return {"loaded": filepath}


class Addon:
    """The add-on's server: a thread that accepts, and one for every client."""

    def __init__(self, listener, main_thread, beat, tally, report):
        self.listener = listener
        self.main_thread = main_thread
        self.beat = beat
        self.tally = tally
        self.commands = Commands(main_thread, tally, report)

    def accept(self):
        while True:
            client, address = self.listener.accept()
            print(f"Connected to client: {address}")
            self.tally.connected()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()
            self.beat.wait()

    def serve(self, client):
        print("Client handler started")
        buffer = b""
        try:
            while True:
                data = client.recv(RECV_BYTES)
                if not data:
                    print("Client disconnected")
                    break
                buffer += data
                try:
                    document = json.loads(buffer.decode("utf-8"))
                except json.JSONDecodeError:
                    continue  # more may follow
                buffer = b""
                command = (next(self.tally.numbers), document)

                # Looks `command` up when it runs, not now: as the add-on's own closure does, which
                # is how an overtaken command is lost and the later one runs twice.
                def respond():
                    self.respond(client, *command)

                self.main_thread.register(respond)
                self.tally.received()  # a `hold` that waits for it ends only when it is queued
        except Exception as error:
            print(f"Error receiving data: {error}")
        finally:
            client.close()
            print("Client handler stopped")

    def respond(self, client, number, document):
        self.tally.ran.add(number)
        try:
            reply = self.commands.run(document.get("type"), document.get("params", {}))
        except Exception as error:
            reply = {"status": "error", "message": str(error)}
        self.tally.answered += 1  # before the client can know
        try:
            client.sendall(json.dumps(reply).encode("utf-8"))
        except OSError:
            self.tally.answered -= 1
            print("Failed to send response - client disconnected")


class Nowhere(io.TextIOBase):
    """The add-on's console: nobody reads it, and our own output stays parseable."""

    def write(self, text):
        return len(text)


def stop_at_eof():
    with contextlib.suppress(OSError, ValueError):
        while sys.stdin.buffer.read(4096):
            pass
    _thread.interrupt_main()


def stop(_signal, _frame):
    raise Stop


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--beat-ms", type=float, default=5)
    parser.add_argument("--stop-on-eof", action="store_true")
    options = parser.parse_args()

    console, sys.stdout = sys.stdout, Nowhere()
    tally, beat = Tally(), Beat(options.beat_ms)

    def report(line):
        print(line, file=console, flush=True)

    try:
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((options.host, options.port))
        listener.listen(BACKLOG)
        report(f"listening {listener.getsockname()[1]}")

        main_thread = MainThread(beat)
        addon = Addon(listener, main_thread, beat, tally, report)
        threading.Thread(target=addon.accept, daemon=True).start()
        if options.stop_on_eof:
            threading.Thread(target=stop_at_eof, daemon=True).start()
        main_thread.run()
    except Stop:
        report(json.dumps(tally.report()))
    # The client threads still wait in recv(); nothing of theirs needs an orderly end.
    os._exit(0)


if __name__ == "__main__":
    main()
