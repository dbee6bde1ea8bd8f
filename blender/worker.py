#!/usr/bin/env python3
"""A headless Blender that takes commands over TCP.

    blender --background --python blender/worker.py -- --port 9876
    python blender/worker.py --port 9876          (a Python with the bpy module)

Two threads. The I/O thread owns every socket: it accepts, cuts the stream into requests, and
writes replies without ever waiting for one client. The main thread owns Blender: it takes one
request at a time, first come first served, from a queue that is this file's own, so loading a
file loses nothing. Nothing a request holds ends the worker; only the end of the process itself
does (a crash, os._exit, bpy.ops.wm.quit_blender).

Whoever can connect can run any code as this user: it listens on loopback unless told otherwise.
Needs Python 3.10 or newer (Blender 3.6 or newer) and no other package.
"""

import argparse
import base64
import builtins
import collections
import contextlib
import inspect
import io
import ipaddress
import itertools
import json
import math
import os
import queue
import re
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback

MIB = 1024 * 1024
MAX_REQUEST_BYTES = 64 * MIB
MAX_REPLY_BYTES = 64 * MIB
MAX_PRINTED_CHARS = 16 * MIB
MAX_UNREAD_BYTES = 128 * MIB  # replies that a client leaves unread before it is cut off
PAUSE_UNREAD_BYTES = 4 * MIB  # ... before no more requests are taken from it
PAUSE_WAITING = 256  # requests of one client that wait for the main thread, likewise
DRAIN_SECONDS = 0.5  # for the last replies, when stopping
ORPHAN_SECONDS = 5.0  # for the running command, when the parent is gone

bpy = None  # imported by main(), so that --help and a taken port answer at once


class Refused(Exception):
    """A request that cannot be done; its text is the reply's message."""


class CodeFailed(Exception):
    """execute_code raised: the message, with what was printed and the traceback."""

    def __init__(self, message, printed, trace):
        super().__init__(message)
        self.extras = {"stdout": printed, "traceback": trace}


# --- Framing: bytes to documents, each byte looked at once ---------------------------------


class Frame:
    """Collects the pieces of one document, and only counts them once they are too many."""

    def __init__(self):
        self.kept = bytearray()
        self.size = 0

    def add(self, piece):
        self.size += len(piece)
        if self.size <= MAX_REQUEST_BYTES:
            self.kept += piece
        elif self.kept:
            self.kept = bytearray()

    def take(self):
        kept, size = self.kept, self.size
        self.kept, self.size = bytearray(), 0
        if size > MAX_REQUEST_BYTES:
            return Refused(f"The request has {size} bytes; the limit is {MAX_REQUEST_BYTES}.")
        return bytes(kept)


class NewlineFramer:
    """One document a line. Blank lines are padding."""

    broken = False

    def __init__(self):
        self.frame = Frame()

    def feed(self, data):
        *lines, rest = data.split(b"\n")
        for line in lines:
            self.frame.add(line)
            document = self.frame.take()
            if isinstance(document, Refused) or document.strip():
                yield document
        self.frame.add(rest)


class BareJsonFramer:
    """JSON objects one after another with nothing between them but whitespace.

    `broken` is set at a byte that no object can begin with: from there on nobody can say where
    the next request starts.
    """

    FIRST = re.compile(rb"[^ \t\r\n]")
    NEXT = re.compile(rb'["{}\[\]]')

    def __init__(self):
        self.frame = Frame()
        self.broken = False
        self.depth = 0
        self.in_string = False
        self.escaped = 0  # 1 when a piece ended just behind a backslash

    def feed(self, data):
        # The same bytes with every escape blotted out: here the next quote is the string's end.
        escaped = data[self.escaped :].replace(b"\\\\", b"..").replace(b'\\"', b"..")
        blotted = b"." * self.escaped + escaped
        start, at, self.escaped = 0, self.escaped, 0
        while at < len(data):
            if self.depth == 0:
                found = self.FIRST.search(data, at)
                if not found:
                    return
                start = found.start()
                if found.group() != b"{":
                    self.broken = True
                    beginning = bytes(data[start : start + 16])
                    yield Refused(f"Not a JSON object: it begins with {beginning!r}.")
                    return
                self.depth, at = 1, start + 1
            elif self.in_string:
                quote = blotted.find(b'"', at)
                if quote < 0:
                    self.escaped = int(blotted.endswith(b"\\"))
                    break
                self.in_string, at = False, quote + 1
            else:
                found = self.NEXT.search(data, at)
                if not found:
                    break
                byte, at = found.group(), found.end()
                if byte == b'"':
                    self.in_string = True
                elif byte in b"{[":
                    self.depth += 1
                else:
                    self.depth -= 1
                    if self.depth == 0:
                        self.frame.add(data[start:at])
                        yield self.frame.take()
        if self.depth:
            self.frame.add(data[start:])


# --- Dialects: documents to requests, outcomes to bytes ------------------------------------


class WorkerDialect:
    """A line `{"id","type","params"}` -> a line `{"id","status","result"?,"message"?}`.

    Replies carry the id, so what needs no Blender is answered at once, out of order.
    """

    name = "worker"
    framer = NewlineFramer
    ordered = False

    def shape(self, request, outcome):
        return {"id": request.id, **outcome}

    def encode(self, reply):
        # A lone surrogate (a file name that is not UTF-8) has no UTF-8 form.
        text = json.dumps(reply, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace") + b"\n"


class BlenderMcpDialect:
    """`{"type","params"}` -> `{"status","result"|"message"}`, as the popular add-on speaks it.

    No ids, so every reply comes in the order of the requests, from the main thread.
    """

    name = "blender-mcp"
    framer = BareJsonFramer
    ordered = True

    def shape(self, request, outcome):
        reply = {key: outcome[key] for key in ("status", "result", "message") if key in outcome}
        if request.kind == "execute_code" and "result" in reply:
            reply["result"] = {"executed": True, "result": reply["result"]["stdout"]}
        return reply

    def encode(self, reply):
        return json.dumps(reply, allow_nan=False).encode("ascii")


DIALECTS = {dialect.name: dialect for dialect in (WorkerDialect(), BlenderMcpDialect())}


class Request:
    """One thing asked by one client. `refusal` is set when it is wrong from the start."""

    __slots__ = ("client", "id", "kind", "params", "refusal")

    def __init__(self, client, document):
        self.client, self.id, self.kind, self.params, self.refusal = client, None, None, {}, None
        try:
            self.read(document)
        except Refused as refused:
            self.refusal = str(refused)

    def read(self, document):
        if isinstance(document, Refused):
            raise document
        try:
            fields = json.loads(document.decode("utf-8"), parse_constant=self.no_constant)
        except (ValueError, RecursionError) as error:
            raise Refused(f"Not valid JSON: {error}") from None
        if not isinstance(fields, dict):
            raise Refused(f"A request must be a JSON object, not {type(fields).__name__}.")
        asked_id = fields.get("id")
        if isinstance(asked_id, (dict, list)):
            raise Refused("id must be a number or a string.")
        self.id = asked_id
        kind, params = fields.get("type"), fields.get("params")
        if not isinstance(kind, str):
            raise Refused("type must be a string that names a command.")
        if params is not None and not isinstance(params, dict):
            raise Refused(f"params must be a JSON object, not {type(params).__name__}.")
        self.kind, self.params = kind, params or {}
        if kind not in COMMANDS:
            raise Refused(f"Unknown command type: {kind}")

    @staticmethod
    def no_constant(name):
        raise ValueError(f"{name} is not JSON")


def success(result):
    return {"status": "success", "result": result}


def failure(message, extras=None):
    return {"status": "error", "message": message, **(extras or {})}


def reply_bytes(dialect, request, outcome):
    """The whole reply; what JSON cannot say is made sayable, what is too long is refused."""
    reply = dialect.shape(request, outcome)
    try:
        try:
            data = dialect.encode(reply)
        except (TypeError, ValueError, RecursionError):
            data = dialect.encode(Plain().value(reply))
        if len(data) <= MAX_REPLY_BYTES:
            return data
        message = (
            f"The reply has {len(data)} bytes; the limit is {MAX_REPLY_BYTES}. Write it to a file."
        )
    except BaseException as error:
        message = f"The result cannot be written as JSON: {summary(error)}"
    return dialect.encode(dialect.shape(request, failure(message)))


class Plain:
    """Rebuilds any Python value from what JSON has: NaN and infinities become null, Blender's
    vectors and collections become lists, what has no JSON form becomes its repr."""

    MAX_DEPTH = 100
    MAX_VALUES = 1_000_000

    def __init__(self):
        self.path = set()
        self.count = 0

    def value(self, value):
        self.count += 1
        if self.count > self.MAX_VALUES:
            raise ValueError(f"more than {self.MAX_VALUES} values")
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else None
        if id(value) in self.path or len(self.path) >= self.MAX_DEPTH:
            return "..."
        self.path.add(id(value))
        try:
            if isinstance(value, dict):
                return {self.key(key): self.value(item) for key, item in value.items()}
            if isinstance(value, (type, bytes, bytearray, memoryview)):
                return repr(value)
            for method in ("tolist", "to_dict"):  # numpy; Blender's custom properties
                if hasattr(value, method):
                    return self.value(getattr(value, method)())
            if isinstance(value, (set, frozenset)) or self.is_sequence(type(value)):
                return [self.value(item) for item in value]
            return repr(value)
        finally:
            self.path.discard(id(value))

    @staticmethod
    def is_sequence(kind):
        """Lists and tuples, mathutils.Vector, bpy collections."""
        return hasattr(kind, "__len__") and hasattr(kind, "__getitem__")

    @staticmethod
    def key(key):
        return key if isinstance(key, str) else str(key)


def log(message):
    with contextlib.suppress(OSError, ValueError):  # nobody may be there to read it
        print(f"blender-pool worker: {message}", file=sys.stderr, flush=True)


def summary(error):
    try:
        text = str(error).strip()
    except BaseException:
        text = ""
    return f"{type(error).__name__}: {text[:2000]}" if text else type(error).__name__


# --- The I/O thread ------------------------------------------------------------------------


class Client:
    """One connection. Touched by the I/O thread only, but for `gone`, which anyone may read."""

    def __init__(self, sock, framer):
        self.sock = sock
        self.framer = framer
        self.unsent = collections.deque()
        self.unsent_bytes = 0
        self.waiting = 0  # requests that wait for the main thread
        self.ended = False  # nothing more will be read; what was asked is still answered
        self.gone = False


class Hub:
    """Every socket, on one thread. Requests go to the queue `requests`, replies come by post()."""

    def __init__(self, listener, dialect, requests):
        self.listener = listener
        self.dialect = dialect
        self.requests = requests
        self.replies = collections.deque()
        self.clients = set()
        self.stopping = False
        self.failed = False
        self.deadline = None  # set once the main thread has finished
        self.selector = selectors.DefaultSelector()
        self.bell, self.ringer = socket.socketpair()
        self.bell.setblocking(False)
        self.ringer.setblocking(False)
        self.thread = threading.Thread(target=self.run, name="blender-pool I/O", daemon=True)

    def start(self):
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        self.selector.register(self.bell, selectors.EVENT_READ, self.bell)
        self.thread.start()

    def ring(self):
        with contextlib.suppress(OSError):  # full: it will wake anyway
            self.ringer.send(b"!")

    def post(self, request, data):
        """From the main thread: never blocks."""
        self.replies.append((request.client, data))
        self.ring()

    def stop(self):
        """From any thread or a signal handler: no new connections, nothing new is run."""
        self.stopping = True
        self.requests.put(None)
        self.ring()

    def finish(self):
        """From the main thread, which runs nothing any more: write what is left, close."""
        self.deadline = time.monotonic() + DRAIN_SECONDS
        self.ring()
        self.thread.join(DRAIN_SECONDS + 0.3)

    def run(self):
        try:
            while self.turn():
                pass
        except BaseException as error:
            log(f"the I/O thread failed: {summary(error)}")
            self.failed = True
            self.stop()
        for client in list(self.clients):
            self.drop(client)

    def turn(self):
        waits = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        for key, events in self.selector.select(waits):
            if key.data is None:
                self.accept()
            elif key.data is self.bell:
                with contextlib.suppress(BlockingIOError):
                    self.bell.recv(4096)
            else:
                self.serve(key.data, events)
        while self.replies:
            client, data = self.replies.popleft()
            client.waiting -= 1
            self.send(client, data)
        if self.stopping and self.listener.fileno() >= 0:
            self.selector.unregister(self.listener)
            self.listener.close()
        if self.deadline is None:
            return True
        self.refuse_queued()
        unsent = any(client.unsent for client in self.clients)
        return unsent and time.monotonic() < self.deadline

    def refuse_queued(self):
        with contextlib.suppress(queue.Empty):
            while True:
                request = self.requests.get_nowait()
                if request is not None:
                    request.client.waiting -= 1
                    self.refuse(request)

    def refuse(self, request):
        message = request.refusal or "The worker is stopping; this command was not run."
        self.send(request.client, reply_bytes(self.dialect, request, failure(message)))

    def accept(self):
        try:
            sock, _ = self.listener.accept()
        except BlockingIOError:
            return
        except OSError as error:  # out of file descriptors: let some close
            log(f"cannot accept: {error}")
            time.sleep(0.05)
            return
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(sock, self.dialect.framer())
        self.clients.add(client)
        self.selector.register(sock, selectors.EVENT_READ, client)

    def serve(self, client, events):
        try:
            if events & selectors.EVENT_WRITE:
                self.flush(client)
            if events & selectors.EVENT_READ and not client.gone:
                data = client.sock.recv(256 * 1024)
                if data:
                    self.read(client, data)
                else:
                    client.ended = True  # perhaps only its writing half: it may still read
        except BlockingIOError:
            pass
        except (OSError, MemoryError):
            self.drop(client)
        self.watch(client)

    def read(self, client, data):
        for document in client.framer.feed(data):
            request = Request(client, document)
            if self.stopping and not self.answers_itself(request):
                self.refuse(request)
            elif self.answers_itself(request):
                outcome = failure(request.refusal) if request.refusal else success(ping())
                self.send(client, reply_bytes(self.dialect, request, outcome))
            else:
                client.waiting += 1
                self.requests.put(request)
        if client.framer.broken:
            client.ended = True

    def answers_itself(self, request):
        return not self.dialect.ordered and (request.refusal or request.kind == "ping")

    def send(self, client, data):
        if client.gone:
            return
        client.unsent.append(memoryview(data))
        client.unsent_bytes += len(data)
        try:
            self.flush(client)
        except OSError:
            self.drop(client)
        if client.unsent_bytes > MAX_UNREAD_BYTES:
            log("a client does not read its replies: cut off")
            self.drop(client)
        self.watch(client)

    def flush(self, client):
        with contextlib.suppress(BlockingIOError):
            while client.unsent:
                sent = client.sock.send(client.unsent[0][:MIB])
                client.unsent_bytes -= sent
                client.unsent[0] = client.unsent[0][sent:]
                if not client.unsent[0]:
                    client.unsent.popleft()

    def watch(self, client):
        """Waits for what this client can do next; closes it when there is nothing left."""
        if client.gone:
            return
        if client.ended and not client.waiting and not client.unsent:
            self.drop(client)
            return
        crowded = client.unsent_bytes > PAUSE_UNREAD_BYTES or client.waiting >= PAUSE_WAITING
        events = 0 if client.ended or crowded else selectors.EVENT_READ
        if client.unsent:
            events |= selectors.EVENT_WRITE
        registered = client.sock in self.selector.get_map()
        if not events:
            if registered:
                self.selector.unregister(client.sock)
        elif registered:
            self.selector.modify(client.sock, events, client)
        else:
            self.selector.register(client.sock, events, client)

    def drop(self, client):
        if client.gone:
            return
        client.gone = True
        self.clients.discard(client)
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(client.sock)
        with contextlib.suppress(OSError):
            client.sock.shutdown(socket.SHUT_WR)
        client.sock.close()
        client.unsent.clear()


# --- Commands: each runs on the main thread, and its keywords are its params ---------------


def text(value, name):
    if not isinstance(value, str) or not value:
        raise Refused(f"{name} must be a string that is not empty.")
    return value


def number(value, name, low=-1e9, high=1e9):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise Refused(f"{name} must be a number from {low:g} to {high:g}.")
    return value


def integer(value, name, low, high):
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Refused(f"{name} must be an integer from {low} to {high}.")
    return value


def numbers(value, name, *lengths):
    if not isinstance(value, list) or len(value) not in lengths:
        raise Refused(f"{name} must be a list of {' or '.join(map(str, lengths))} numbers.")
    return [number(item, f"{name}[{index}]") for index, item in enumerate(value)]


def choice(value, name, known):
    if not isinstance(value, str) or value not in known:
        raise Refused(f"{name} must be one of {', '.join(known)}, not {value!r}.")
    return value


def found_object(name):
    found = bpy.data.objects.get(text(name, "name"))
    if found is None:
        raise Refused(f"Object not found: {name}")
    return found


def ping():
    return {"pong": True, "pid": os.getpid(), "blender": blender_version()}


def get_scene_info(*, limit=1000):
    integer(limit, "limit", 0, 1_000_000)
    scene = bpy.context.scene
    bpy.context.view_layer.update()
    return {
        "name": scene.name,
        "object_count": len(scene.objects),
        "objects": [
            {"name": item.name, "type": item.type, "location": list(item.location)}
            for item in itertools.islice(scene.objects, limit)
        ],
        "materials_count": len(bpy.data.materials),
        "camera": scene.camera.name if scene.camera else None,
        "engine": scene.render.engine,
        "resolution": [scene.render.resolution_x, scene.render.resolution_y],
        "frame": scene.frame_current,
        "frame_start": scene.frame_start,
        "frame_end": scene.frame_end,
        "filepath": bpy.data.filepath,
        "blender": blender_version(),
    }


def get_object_info(*, name):
    item = found_object(name)
    bpy.context.view_layer.update()
    info = {
        "name": item.name,
        "type": item.type,
        "location": list(item.location),
        "rotation": list(item.matrix_basis.to_euler()),
        "scale": list(item.scale),
        "dimensions": list(item.dimensions),
        "visible": not item.hide_render,
        "parent": item.parent.name if item.parent else None,
        "materials": [slot.material.name for slot in item.material_slots if slot.material],
    }
    if item.type == "MESH":
        info["mesh"] = {
            "vertices": len(item.data.vertices),
            "edges": len(item.data.edges),
            "polygons": len(item.data.polygons),
        }
        corners = [item.matrix_world @ to_vector(corner) for corner in item.bound_box]
        info["world_bounding_box"] = [
            [extreme(corner[axis] for corner in corners) for axis in range(3)]
            for extreme in (min, max)
        ]
    return info


class Printed(io.TextIOBase):
    """What a command prints, up to a limit; beyond it only counted."""

    encoding = "utf-8"

    def __init__(self):
        self.pieces = []
        self.kept = 0
        self.dropped = 0

    def writable(self):
        return True

    def write(self, piece):
        if not isinstance(piece, str):
            raise TypeError(f"write() argument must be str, not {type(piece).__name__}")
        room = MAX_PRINTED_CHARS - self.kept
        if len(piece) > room:
            self.dropped += len(piece) - room
        if room > 0 and piece:
            self.pieces.append(piece[:room])
            self.kept += min(len(piece), room)
        return len(piece)

    def text(self):
        printed = "".join(self.pieces)
        return printed + f"\n[{self.dropped} more characters]\n" if self.dropped else printed


CODE_NAME = "<execute_code>"


def execute_code(*, code):
    if not isinstance(code, str):
        raise Refused("code must be a string of Python.")
    space = {"__name__": "__main__", "__builtins__": builtins, "bpy": bpy}
    printed = Printed()
    own_pid, own_stdin = os.getpid(), sys.stdin
    sys.stdin = io.StringIO()  # input() ends at once; exit() closes this one
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(code, CODE_NAME, "exec", dont_inherit=True), space)
        return {"executed": True, "stdout": printed.text(), "result": space.get("result")}
    except BaseException as error:
        raise CodeFailed(code_message(error), printed.text(), code_trace(error)) from None
    finally:
        sys.stdin = own_stdin
        if os.getpid() != own_pid:
            os._exit(0)  # the code forked: the copy must not answer as if it were the worker


def code_message(error):
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__, limit=50)
        if frame.filename == CODE_NAME
    ]
    if isinstance(error, SyntaxError) and error.filename == CODE_NAME:
        return summary(error).replace(f"{CODE_NAME}, ", "")
    if isinstance(error, SystemExit):
        message = f"SystemExit: the code called exit({error.code!r}); the worker goes on"
    else:
        message = summary(error)
    return f"{message} (line {lines[-1]})" if lines else message


def code_trace(error):
    try:
        text = "".join(
            traceback.format_exception(type(error), error, error.__traceback__, limit=-20)
        )
        return text if len(text) <= 16_000 else "...\n" + text[-16_000:]
    except BaseException:
        return ""


PRIMITIVES = {
    "cube": lambda ops, size: (ops.primitive_cube_add, {"size": size}),
    "plane": lambda ops, size: (ops.primitive_plane_add, {"size": size}),
    "sphere": lambda ops, size: (ops.primitive_uv_sphere_add, {"radius": size / 2}),
    "uv_sphere": lambda ops, size: (ops.primitive_uv_sphere_add, {"radius": size / 2}),
    "ico_sphere": lambda ops, size: (ops.primitive_ico_sphere_add, {"radius": size / 2}),
    "cylinder": lambda ops, size: (
        ops.primitive_cylinder_add,
        {"radius": size / 2, "depth": size},
    ),
    "cone": lambda ops, size: (ops.primitive_cone_add, {"radius1": size / 2, "depth": size}),
    "torus": lambda ops, size: (
        ops.primitive_torus_add,
        {"major_radius": size * 0.375, "minor_radius": size * 0.125},
    ),
    "monkey": lambda ops, size: (ops.primitive_monkey_add, {"size": size}),
}


def create_primitive(
    *,
    kind=None,
    type=None,
    name=None,
    location=None,
    rotation=None,
    scale=None,
    size=2.0,
    color=None,
):
    """Fits into a cube of `size`; `rotation` is in radians, `color` is linear RGB or RGBA."""
    kind = choice(text(kind or type or "cube", "kind").lower(), "kind", PRIMITIVES)
    number(size, "size", 1e-6, 1e6)
    location = numbers(location, "location", 3) if location is not None else [0, 0, 0]
    rotation = numbers(rotation, "rotation", 3) if rotation is not None else [0, 0, 0]
    scale = numbers(scale, "scale", 3) if scale is not None else None
    color = numbers(color, "color", 3, 4) if color is not None else None
    if name is not None:
        text(name, "name")

    if bpy.context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    add, shape = PRIMITIVES[kind](bpy.ops.mesh, size)
    add(location=location, rotation=rotation, **shape)
    item = bpy.context.active_object
    if scale is not None:
        item.scale = scale
    if name is not None:
        item.name = free_name(name, bpy.data.objects)
        item.data.name = free_name(name, bpy.data.meshes)
    if color is not None:
        paint(item, (color + [1.0])[:4])
    return {"kind": kind, **get_object_info(name=item.name)}


def free_name(name, taken):
    """Blender before 4.3 would rename the other object instead."""
    names = itertools.chain([name], (f"{name}.{count:03}" for count in itertools.count(1)))
    return next(free for free in names if free not in taken)


def paint(item, color):
    material = bpy.data.materials.new(f"{item.name} color")
    material.diffuse_color = color
    if material.node_tree is None:
        material.use_nodes = True
    for node in material.node_tree.nodes:
        if node.type == "BSDF_PRINCIPLED":
            node.inputs["Base Color"].default_value = color
    item.data.materials.append(material)


def delete_object(*, name):
    item = found_object(name)
    deleted = item.name
    bpy.data.objects.remove(item, do_unlink=True)
    return {"deleted": deleted}


ENGINES = {
    "CYCLES": ("CYCLES",),
    "WORKBENCH": ("BLENDER_WORKBENCH",),
    "BLENDER_WORKBENCH": ("BLENDER_WORKBENCH",),
    # Renamed in 4.2, and back in 5.0. Without a GPU a first image takes a minute.
    "EEVEE": ("BLENDER_EEVEE_NEXT", "BLENDER_EEVEE"),
    "BLENDER_EEVEE": ("BLENDER_EEVEE_NEXT", "BLENDER_EEVEE"),
    "BLENDER_EEVEE_NEXT": ("BLENDER_EEVEE_NEXT", "BLENDER_EEVEE"),
}
IMAGES = {"PNG": (".png", "image/png"), "JPEG": (".jpg", "image/jpeg")}


def render(*, width=256, height=256, samples=16, engine="CYCLES", filepath=None, format="PNG"):
    """To a file, or to base64 in the reply. Adds a camera and a light where there is none."""
    integer(width, "width", 4, 16384)
    integer(height, "height", 4, 16384)
    integer(samples, "samples", 1, 65536)
    choice(engine, "engine", ENGINES)
    choice(format, "format", IMAGES)
    suffix, mime = IMAGES[format]
    target = None
    if filepath is not None:
        target = os.path.abspath(bpy.path.abspath(text(filepath, "filepath")))

    scene = bpy.context.scene
    added = light_and_camera(scene)
    with contextlib.ExitStack() as after:
        if target is None:
            target = os.path.join(
                after.enter_context(tempfile.TemporaryDirectory()), "image" + suffix
            )
        start_engine(scene.render, engine, after)
        settings = [
            (scene.render, "resolution_x", width),
            (scene.render, "resolution_y", height),
            (scene.render, "resolution_percentage", 100),
            (scene.render, "use_file_extension", False),
            (scene.render, "use_border", False),
            (scene.render, "filepath", target),
            (scene.render.image_settings, "media_type", "IMAGE"),  # 5.0 and later
            (scene.render.image_settings, "file_format", format),
        ]
        if engine == "CYCLES":
            settings += [
                (scene.cycles, "samples", samples),
                (scene.cycles, "device", "CPU"),
                (scene.cycles, "use_denoising", scene.cycles.use_denoising and has_denoiser()),
            ]
        for owner, name, value in settings:
            if hasattr(owner, name):
                after.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, value)
        began = time.monotonic()
        bpy.ops.render.render(write_still=True)
        took = round((time.monotonic() - began) * 1000, 1)
        if not os.path.isfile(target):
            raise Refused(f"Blender wrote no image to {target}")
        result = {
            "mime": mime,
            "width": width,
            "height": height,
            "ms": took,
            "engine": scene.render.engine,
            "bytes": os.path.getsize(target),
            "added": added,
        }
        if engine == "CYCLES":
            result["samples"] = samples
        if filepath is not None:
            return {"filepath": target, **result}
        with open(target, "rb") as image:
            return {"data": base64.b64encode(image.read()).decode("ascii"), **result}


def start_engine(settings, engine, after):
    before = settings.engine
    for name in ENGINES[engine]:
        with contextlib.suppress(TypeError):
            settings.engine = name
            after.callback(setattr, settings, "engine", before)
            return
    raise Refused(f"This Blender has no render engine {engine}.")


def has_denoiser():
    """Debian, among others, builds Blender without one; asking for it fails the render."""
    import _cycles

    return getattr(_cycles, "with_openimagedenoise", True)


def light_and_camera(scene):
    added = []
    if scene.camera is None:
        scene.camera = next((item for item in scene.objects if item.type == "CAMERA"), None)
    if scene.camera is None:
        camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        scene.collection.objects.link(camera)
        scene.camera = camera
        look_at_everything(scene, camera)
        added.append("camera")
    if not any(item.type == "LIGHT" for item in scene.objects):
        sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
        sun.data.energy = 3.0
        sun.rotation_euler = (0.7, 0.2, 0.6)
        scene.collection.objects.link(sun)
        added.append("light")
    return added


def look_at_everything(scene, camera):
    bpy.context.view_layer.update()
    corners = [
        item.matrix_world @ to_vector(corner)
        for item in scene.objects
        if item.type in {"MESH", "CURVE", "SURFACE", "META", "FONT"} and not item.hide_render
        for corner in item.bound_box
    ] or [to_vector((-1, -1, -1)), to_vector((1, 1, 1))]
    low = [min(corner[axis] for corner in corners) for axis in range(3)]
    high = [max(corner[axis] for corner in corners) for axis in range(3)]
    middle = (to_vector(low) + to_vector(high)) / 2
    radius = max((to_vector(high) - middle).length, 0.01)
    away = to_vector((0.75, -1.0, 0.6)).normalized()
    distance = radius / math.sin(min(camera.data.angle_x, camera.data.angle_y) / 2)
    camera.location = middle + away * distance
    camera.rotation_euler = (-away).to_track_quat("-Z", "Y").to_euler()
    camera.data.clip_end = max(camera.data.clip_end, distance + radius * 2)


def to_vector(values):
    from mathutils import Vector

    return Vector(values)


def blender_version():
    return ".".join(map(str, bpy.app.version))


COMMANDS = {
    command.__name__: command
    for command in (
        ping,
        get_scene_info,
        get_object_info,
        execute_code,
        create_primitive,
        delete_object,
        render,
    )
}


# --- The main thread -----------------------------------------------------------------------


def outcome_of(request):
    """Runs one request. Whatever it raises, even SystemExit, becomes an error reply."""
    try:
        if request.refusal:
            raise Refused(request.refusal)
        command = COMMANDS[request.kind]
        check_names(request.kind, command, request.params)
        return success(command(**request.params))
    except CodeFailed as failed:
        return failure(str(failed), failed.extras)
    except Refused as refused:
        return failure(str(refused))
    except BaseException as error:
        return failure(f"{request.kind} failed: {summary(error)}")


def check_names(kind, command, params):
    known = inspect.signature(command).parameters
    for name in params:
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise Refused(f"{kind} has no parameter {name!r}; {takes}.")
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in params:
            raise Refused(f"{kind} needs params.{name}.")


def work(hub, requests):
    """First come first served, until None comes or the hub is stopping."""
    while True:
        request = requests.get()
        if request is None:
            return
        if hub.stopping:
            requests.put(request)  # the hub refuses what was not begun
            return
        if not request.client.gone:
            hub.post(request, reply_bytes(hub.dialect, request, outcome_of(request)))
        del request  # it may be large, and the next may be long in coming


def listen_on(host, port, allow_remote):
    """A bound socket that does not listen yet: a taken port is told before Blender starts."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise Refused(f"cannot resolve {host}: {error}") from None
    addresses = [ipaddress.ip_address(entry[4][0].partition("%")[0]) for entry in found]
    if not allow_remote and not all(address.is_loopback for address in addresses):
        raise Refused(
            f"{host} is not a loopback address: whoever can connect could run any code as this "
            "user. Add --allow-remote if that is meant."
        )
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    if os.name == "posix":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    try:
        sock.bind(address)
    except OSError as error:
        raise Refused(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    return sock


def stop_on_signals(hub):
    def on_signal(number, _frame):
        if hub.stopping and number == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice: interrupt the running command
        hub.stop()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, on_signal)


def stop_with_parent(hub):
    """Whoever started this holds the other end of stdin, and lets go of it by dying, too."""

    def watch():
        # os.read: a buffered read would hold a lock that Python's own exit needs.
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        hub.stop()
        time.sleep(ORPHAN_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="blender-pool parent", daemon=True).start()


def options(arguments):
    parser = argparse.ArgumentParser(
        prog="worker.py",
        description="A headless Blender that takes commands over TCP.",
        epilog="Under Blender: blender --background --python worker.py -- --port 9876",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=9876, help="0: any free one (9876)")
    parser.add_argument("--dialect", choices=DIALECTS, default="worker", help="(worker)")
    parser.add_argument("--empty", action="store_true", help="start with an empty scene")
    parser.add_argument("--allow-remote", action="store_true", help="allow a host not loopback")
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when stdin ends")
    chosen = parser.parse_args(arguments)
    if not 0 <= chosen.port <= 65535:
        parser.error("--port must be from 0 to 65535")
    return chosen


def own_arguments():
    """Blender leaves its own arguments in sys.argv; ours come after `--`."""
    if os.path.abspath(sys.argv[0]) == os.path.abspath(__file__):
        return [item for item in sys.argv[1:] if item != "--"]
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def start_blender(empty):
    global bpy
    try:
        import bpy as module
    except ImportError as error:
        raise Refused(
            f"this Python ({sys.executable}) cannot import bpy: {error}. Run the worker with "
            "`blender --background --python`, or with a Python that has the bpy module."
        ) from None
    bpy = module
    if not bpy.app.background:
        raise Refused("it would freeze Blender's window: start Blender with --background")
    if empty:
        bpy.ops.wm.read_factory_settings(use_empty=True)


def main():
    chosen = options(own_arguments())
    if hasattr(signal, "SIGPIPE"):  # Python ignores it by itself, but not inside Blender
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        listener = listen_on(chosen.host, chosen.port, chosen.allow_remote)
        start_blender(chosen.empty)
    except Refused as refused:
        log(refused)
        return 2

    # The I/O thread gets its turn within a millisecond while Python code runs on the main one.
    sys.setswitchinterval(0.001)
    requests = queue.SimpleQueue()  # safe to put to from a signal handler
    hub = Hub(listener, DIALECTS[chosen.dialect], requests)
    stop_on_signals(hub)
    listener.listen(128)
    host, port = listener.getsockname()[:2]
    hub.start()
    if chosen.exit_with_parent:
        stop_with_parent(hub)

    with contextlib.suppress(OSError):  # whoever waited for this line may be gone already
        print(
            f"blender-pool worker listening on {f'[{host}]' if ':' in host else host}:{port} "
            f"(dialect {chosen.dialect}, Blender {blender_version()}, pid {os.getpid()})",
            flush=True,
        )
    with contextlib.suppress(KeyboardInterrupt):
        work(hub, requests)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)
    hub.stop()
    hub.finish()
    return 1 if hub.failed else 0


def run():
    """main(), and the end of the process whichever way main() ends. Never Blender's own teardown:
    it waits for ever for Python's threads. What it would clean up is its temporary folder."""
    code = 1
    try:
        code = main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException as error:
        log(summary(error))
    with contextlib.suppress(Exception):
        folder = os.path.normpath(sys.modules["bpy"].app.tempdir)
        if os.path.basename(folder).startswith("blender_"):  # else it is everybody's
            shutil.rmtree(folder, ignore_errors=True)
    for stream in (sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
