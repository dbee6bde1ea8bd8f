#!/usr/bin/env python3
"""The headless worker, over real sockets and with a real Blender.

    python blender/test_worker.py        (a Python with the bpy module)

Set BLENDER_BIN to run the same tests with a Blender binary.
"""

import base64
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
LISTENING = re.compile(
    r"^blender-pool worker listening on (\S+):(\d+) "
    r"\(dialect (\S+), Blender (\d+\.\d+\.\d+), pid (\d+)\)$"
)
START_SECONDS = 60
REPLY_SECONDS = 30


def command_line(*options):
    binary = os.environ.get("BLENDER_BIN")
    if binary:
        return [binary, "--background", "--factory-startup", "--python", WORKER, "--", *options]
    return [sys.executable, WORKER, *options]


class Worker:
    """A worker process on a free port. Its stdin is held, so that it ends when this does."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            command_line("--port", "0", "--exit-with-parent", *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.lines = []
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.ready.wait(START_SECONDS)
        found = [line for line in map(LISTENING.match, self.lines) if line]
        if not found:
            self.kill()
            raise AssertionError(f"the worker did not start: {self.lines}")
        self.host, self.port, self.dialect = found[0][1], int(found[0][2]), found[0][3]
        self.pid = int(found[0][5])

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
            if LISTENING.match(self.lines[-1]):
                self.ready.set()
        self.ready.set()

    def connect(self):
        return Client(self.port, self.dialect)

    def kill(self):
        self.process.kill()
        self.close()

    def close(self):
        self.process.stdin.close()
        try:
            return self.process.wait(10)
        finally:
            self.process.kill()
            self.reader.join(5)
            self.process.stdout.close()


class Client:
    def __init__(self, port, dialect="worker"):
        self.socket = socket.create_connection(("127.0.0.1", port), REPLY_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.dialect = dialect
        self.last_id = 0
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, kind, /, **params):
        self.last_id += 1
        request = {"id": self.last_id, "type": kind, "params": params}
        if self.dialect == "blender-mcp":
            del request["id"]
        self.write(json.dumps(request).encode() + (b"\n" if self.dialect == "worker" else b""))
        return self.last_id

    def write(self, data):
        self.socket.sendall(data)

    def receive(self):
        """One reply. A bare JSON reply is whole when it parses; replies here are small."""
        while True:
            if self.dialect == "worker" and b"\n" in self.buffer:
                line, self.buffer = self.buffer.split(b"\n", 1)
                return json.loads(line, parse_constant=bare_constant)
            if self.dialect != "worker" and self.buffer:
                try:
                    reply, end = json.JSONDecoder(parse_constant=bare_constant).raw_decode(
                        self.buffer.decode("ascii")
                    )
                    self.buffer = self.buffer[end:].lstrip()
                    return reply
                except json.JSONDecodeError:
                    pass
            data = self.socket.recv(1 << 20)
            if not data:
                raise EOFError(f"the worker closed the connection after {self.buffer!r}")
            self.buffer += data

    def call(self, kind, /, **params):
        asked = self.send(kind, **params)
        reply = self.receive()
        if self.dialect == "worker":
            assert reply["id"] == asked, reply
        return reply

    def result(self, kind, /, **params):
        reply = self.call(kind, **params)
        assert reply["status"] == "success", reply
        return reply["result"]

    def code(self, *lines):
        return self.call("execute_code", code="\n".join(lines))

    def message(self, kind, /, **params):
        reply = self.call(kind, **params)
        assert reply["status"] == "error", reply
        return reply["message"]


def bare_constant(name):
    raise AssertionError(f"{name} is not JSON")


class SharedWorker(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.worker = Worker(*cls.options)

    @classmethod
    def tearDownClass(cls):
        assert cls.worker.close() == 0

    def setUp(self):
        self.client = self.worker.connect()
        self.addCleanup(self.client.socket.close)


class Commands(SharedWorker):
    def setUp(self):
        super().setUp()
        self.client.code("bpy.ops.wm.read_homefile(use_factory_startup=True)")

    def test_ping_tells_who_answers(self):
        self.assertEqual(self.client.result("ping")["pid"], self.worker.pid)

    def test_scene_info_lists_the_objects_of_the_scene(self):
        info = self.client.result("get_scene_info")
        self.assertEqual(info["object_count"], 3)
        self.assertEqual(
            {"Cube": "MESH", "Light": "LIGHT", "Camera": "CAMERA"},
            {item["name"]: item["type"] for item in info["objects"]},
        )
        self.assertEqual(info["camera"], "Camera")
        self.assertEqual(len(self.client.result("get_scene_info", limit=1)["objects"]), 1)

    def test_object_info_tells_place_and_shape(self):
        info = self.client.result("get_object_info", name="Cube")
        self.assertEqual(info["dimensions"], [2, 2, 2])
        self.assertEqual(info["mesh"], {"vertices": 8, "edges": 12, "polygons": 6})
        self.assertEqual(info["world_bounding_box"], [[-1, -1, -1], [1, 1, 1]])

    def test_every_kind_of_primitive_is_created_where_it_was_asked(self):
        for kind in "cube sphere uv_sphere ico_sphere cylinder cone torus plane monkey".split():
            with self.subTest(kind):
                made = self.client.result(
                    "create_primitive",
                    kind=kind,
                    name=f"a {kind}",
                    location=[1, 2, 3],
                    rotation=[0, 0, 1],
                    scale=[1, 2, 1],
                    size=1,
                    color=[1, 0.5, 0],
                )
                self.assertEqual(made["name"], f"a {kind}")
                self.assertEqual(made["location"], [1, 2, 3])
                self.assertEqual(made["scale"], [1, 2, 1])
                self.assertEqual(len(made["materials"]), 1)
                self.assertLessEqual(max(made["dimensions"]), 3)

    def test_a_primitive_is_created_even_when_a_mesh_is_being_edited(self):
        self.client.code(
            "bpy.context.view_layer.objects.active = bpy.data.objects['Cube']",
            "bpy.ops.object.mode_set(mode='EDIT')",
        )
        made = self.client.result("create_primitive", type="plane", name="Floor")
        self.assertEqual(made["mesh"]["polygons"], 1)

    def test_a_name_in_use_gets_a_number_and_the_reply_says_so(self):
        self.client.result("create_primitive", name="Ball", location=[1, 0, 0])
        again = self.client.result("create_primitive", name="Ball", location=[2, 0, 0])
        self.assertEqual(again["name"], "Ball.001")
        first = self.client.result("get_object_info", name="Ball")
        self.assertEqual(first["location"], [1, 0, 0])

    def test_a_deleted_object_is_gone(self):
        self.assertEqual(self.client.result("delete_object", name="Cube"), {"deleted": "Cube"})
        self.assertIn("not found: Cube", self.client.message("get_object_info", name="Cube"))

    def test_render_without_a_path_answers_with_the_image(self):
        image = self.client.result("render", width=48, height=32, samples=1)
        data = base64.b64decode(image["data"])
        self.assertEqual(image["mime"], "image/png")
        self.assertEqual(len(data), image["bytes"])
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack(">II", data[16:24]), (48, 32))

    def test_render_writes_the_file_it_is_given_and_leaves_the_settings_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "some picture")
            image = self.client.result(
                "render", width=16, height=16, samples=1, filepath=path, format="JPEG"
            )
            self.assertEqual(image["filepath"], path)
            with open(path, "rb") as file:
                self.assertEqual(file.read(2), b"\xff\xd8")
        info = self.client.result("get_scene_info")
        self.assertEqual(info["resolution"], [1920, 1080])
        self.assertNotEqual(info["engine"], "CYCLES")

    def test_render_adds_a_camera_and_a_light_where_there_is_none(self):
        self.client.code("bpy.ops.wm.read_homefile(use_empty=True)")
        self.client.result("create_primitive", kind="monkey")
        image = self.client.result("render", width=16, height=16, samples=1)
        self.assertEqual(image["added"], ["camera", "light"])
        again = self.client.result("render", width=16, height=16, samples=1)
        self.assertEqual(again["added"], [])

    def test_render_to_a_path_that_cannot_be_written_is_an_error(self):
        path = os.path.join(os.devnull, "x.png")
        self.assertIn(
            "render failed", self.client.message("render", width=8, height=8, filepath=path)
        )

    def test_wrong_params_say_what_is_wrong(self):
        for kind, params, said in [
            ("get_object_info", {}, "needs params.name"),
            ("get_object_info", {"name": 5}, "name must be a string"),
            ("get_object_info", {"name": "Nobody"}, "Object not found: Nobody"),
            ("get_scene_info", {"limit": True}, "limit must be an integer"),
            ("ping_", {}, "Unknown command type: ping_"),
            ("execute_code", {"code": None}, "code must be a string"),
            ("create_primitive", {"kind": "cubes"}, "kind must be one of cube"),
            ("create_primitive", {"kind": ["cube"]}, "kind must be a string"),
            ("create_primitive", {"location": [1, 2]}, "a list of 3 numbers"),
            ("create_primitive", {"location": [1, 2, "3"]}, "location[2] must be a number"),
            ("create_primitive", {"colour": [1, 1, 1]}, "no parameter 'colour'"),
            ("create_primitive", {"color": [1, 1]}, "a list of 3 or 4 numbers"),
            ("delete_object", {"name": ""}, "name must be a string"),
            ("render", {"width": 0}, "width must be an integer from 4"),
            ("render", {"engine": "POVRAY"}, "engine must be one of CYCLES"),
            ("render", {"engine": {}}, "engine must be one of CYCLES"),
        ]:
            with self.subTest(kind=kind, params=params):
                self.assertIn(said, self.client.message(kind, **params))


class Code(SharedWorker):
    def test_code_answers_what_it_printed_and_its_result(self):
        reply = self.client.code("print('hé', '🐒')", "result = {'objects': len(bpy.data.objects)}")
        self.assertEqual(
            reply["result"], {"executed": True, "stdout": "hé 🐒\n", "result": {"objects": 3}}
        )

    def test_code_without_a_result_answers_null(self):
        self.assertIsNone(self.client.code("x = 1")["result"]["result"])

    def test_variables_do_not_leak_from_one_command_to_the_next(self):
        self.client.code("secret = 1")
        self.assertIn("NameError", self.client.message("execute_code", code="secret"))

    def test_not_a_number_and_infinity_become_null(self):
        reply = self.client.code("result = [float('nan'), float('inf'), {'x': -float('inf')}, 1.5]")
        self.assertEqual(reply["result"]["result"], [None, None, {"x": None}, 1.5])

    def test_what_json_cannot_say_becomes_plain(self):
        reply = self.client.code(
            "cube = bpy.data.objects['Cube']",
            "loop = []",
            "loop.append(loop)",
            "result = {'place': cube.location, 'cube': cube, 'all': bpy.data.scenes, 1: {2},",
            "          'loop': loop, 'bytes': b'x', 'wrong': '\\ud800', 'class': dict,",
            "          'array': __import__('array').array('f', [1, 2])}",
        )
        self.assertEqual(
            reply["result"]["result"],
            {
                "place": [0, 0, 0],
                "cube": "bpy.data.objects['Cube']",
                "all": ["bpy.data.scenes['Scene']"],
                "1": [2],
                "loop": ["..."],
                "bytes": "b'x'",
                "wrong": "?",
                "class": "<class 'dict'>",
                "array": [1, 2],
            },
        )

    def test_a_result_that_raises_when_it_is_shown_is_an_error(self):
        reply = self.client.code(
            "class Odd:", "  def __repr__(self): raise SystemExit('no')", "result = Odd()"
        )
        self.assertEqual(reply["status"], "error")
        self.assertIn("cannot be written as JSON", reply["message"])

    def test_an_integer_too_long_to_write_is_an_error(self):
        self.assertIn("JSON", self.client.message("execute_code", code="result = 10 ** 5000"))

    def test_an_exception_tells_its_line_what_was_printed_and_the_traceback(self):
        reply = self.client.code("print('before')", "1 / 0")
        self.assertEqual(reply["status"], "error")
        self.assertEqual(reply["message"], "ZeroDivisionError: division by zero (line 2)")
        self.assertEqual(reply["stdout"], "before\n")
        self.assertIn("Traceback", reply["traceback"])

    def test_nothing_that_code_raises_ends_the_worker(self):
        for code, said in [
            ("import sys\nsys.exit(3)", "SystemExit"),
            ("exit()", "SystemExit"),
            ("raise KeyboardInterrupt", "KeyboardInterrupt"),
            ("raise GeneratorExit", "GeneratorExit"),
            ("raise BaseException('x')", "BaseException: x"),
            ("def f(): f()\nf()", "RecursionError"),
            ("x = (", "SyntaxError"),
            ("x = '\0'", "null bytes"),
            ("(" * 5000 + ")" * 5000, ""),
            ("class E(Exception):\n  def __str__(self): raise SystemExit\nraise E", "E (line 3)"),
            ("input()", "EOFError"),
            ("bpy.ops.object.mode_set(mode='NONSENSE')", "TypeError"),
            ("bpy.ops.wm.open_mainfile(filepath='/nowhere.blend')", "RuntimeError"),
        ]:
            with self.subTest(code[:60]):
                self.assertIn(said, self.client.message("execute_code", code=code))
        self.assertEqual(self.client.result("ping")["pid"], self.worker.pid)

    def test_code_that_prints_megabytes_is_cut_at_a_limit(self):
        printed = self.client.code("for _ in range(50): print('é' * 1_000_000)")["result"]["stdout"]
        self.assertEqual(len(printed.split("\n[")[0].replace("\n", "")), 16 * 1024 * 1024 - 16)
        self.assertRegex(printed, r"\[\d+ more characters\]\n$")

    def test_a_reply_of_many_megabytes_arrives_whole(self):
        text = self.client.code("result = '€' * 8_000_000")["result"]["result"]
        self.assertEqual(text, "€" * 8_000_000)

    def test_a_reply_beyond_the_limit_is_an_error(self):
        self.assertIn(
            "limit", self.client.message("execute_code", code="result = 'x' * 70_000_000")
        )

    def test_stdout_that_code_replaced_is_put_back(self):
        self.client.code("import sys, io", "sys.stdout = io.StringIO()")
        self.assertEqual(self.client.code("print(1)")["result"]["stdout"], "1\n")

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_a_forked_copy_never_answers(self):
        self.client.code("import os", "if os.fork() == 0: result = 'copy'", "else: os.wait()")
        self.assertEqual(self.client.code("result = 1")["result"]["result"], 1)


class Connections(SharedWorker):
    def busy(self, seconds, client=None):
        """A command that occupies the main thread, begun when this returns."""
        flag = tempfile.mktemp()
        (client or self.client).send(
            "execute_code",
            code=f"import time; open({flag!r}, 'w').close(); time.sleep({seconds})",
        )
        while not os.path.exists(flag):
            time.sleep(0.005)
        os.unlink(flag)

    def test_ping_is_answered_at_once_while_the_main_thread_is_busy(self):
        self.busy(0.6)
        with self.worker.connect() as other:
            began = time.monotonic()
            other.result("ping")
            self.assertLess(time.monotonic() - began, 0.3)
        self.client.send("ping")
        self.assertEqual(self.client.receive()["id"], self.client.last_id)
        self.assertEqual(self.client.receive()["id"], self.client.last_id - 1)

    def test_ping_is_answered_while_python_code_runs_and_while_an_image_is_rendered(self):
        for kind, params in [
            ("execute_code", {"code": "for _ in range(10_000_000): pass"}),
            ("render", {"width": 128, "height": 128, "samples": 64}),
        ]:
            with self.subTest(kind), self.worker.connect() as other:
                self.client.send(kind, **params)
                began = time.monotonic()
                other.result("ping")
                self.assertLess(time.monotonic() - began, 0.5)
                self.assertEqual(self.client.receive()["status"], "success")

    def test_an_unknown_type_is_answered_at_once_while_the_main_thread_is_busy(self):
        self.busy(0.6)
        with self.worker.connect() as other:
            began = time.monotonic()
            other.message("execute")
            self.assertLess(time.monotonic() - began, 0.3)
        self.client.receive()

    def test_commands_run_one_at_a_time_first_come_first_served(self):
        self.client.code("bpy.app.driver_namespace['seen'] = []")
        clients = [self.worker.connect() for _ in range(20)]
        self.busy(0.3)
        for number, client in enumerate(clients):
            client.send("execute_code", code=f"bpy.app.driver_namespace['seen'].append({number})")
            time.sleep(0.002)
        for client in clients:
            self.assertEqual(client.receive()["status"], "success")
            client.socket.close()
        self.client.receive()
        seen = self.client.code("result = bpy.app.driver_namespace['seen']")
        self.assertEqual(seen["result"]["result"], list(range(20)))

    def test_twenty_connections_at_once_each_get_their_own_answers(self):
        failed = []

        def talk(number):
            with self.worker.connect() as client:
                for turn in range(10):
                    asked = f"{number}.{turn}"
                    got = client.code(f"print({asked!r})")["result"]["stdout"]
                    if got != asked + "\n":
                        failed.append((asked, got))

        threads = [threading.Thread(target=talk, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(REPLY_SECONDS)
        self.assertEqual(failed, [])

    def test_loading_a_file_loses_no_queued_command(self):
        self.busy(0.2)
        clients = [self.worker.connect() for _ in range(5)]
        for number, client in enumerate(clients):
            load = "bpy.ops.wm.read_homefile(use_factory_startup=True)" if number == 1 else ""
            client.send("execute_code", code=f"{load}\nresult = {number}")
        for number, client in enumerate(clients):
            self.assertEqual(client.receive()["result"]["result"], number)
            client.socket.close()
        self.client.receive()

    def test_commands_sent_in_one_piece_are_each_answered(self):
        self.client.write(
            b"".join(b'{"id":%d,"type":"get_scene_info"}\n' % number for number in range(100))
        )
        self.assertEqual([self.client.receive()["id"] for _ in range(100)], list(range(100)))

    def test_a_command_may_arrive_byte_by_byte(self):
        request = {"id": "ü", "type": "execute_code", "params": {"code": "result = '日本'"}}
        for byte in json.dumps(request, ensure_ascii=False).encode() + b"\r\n":
            self.client.write(bytes([byte]))
        reply = self.client.receive()
        self.assertEqual((reply["id"], reply["result"]["result"]), ("ü", "日本"))

    def test_a_bad_request_is_an_error_reply_and_the_connection_goes_on(self):
        for line, said in [
            (b"hello", "Not valid JSON"),
            (b'{"id":1,"type":"ping"', "Not valid JSON"),
            (b"\xff\xfe", "Not valid JSON"),
            (b'{"id":NaN,"type":"ping"}', "NaN is not JSON"),
            (b"[" * 200_000, "Not valid JSON"),
            (b"\0", "Not valid JSON"),
            (b"[]", "must be a JSON object"),
            (b"{}", "type must be a string"),
            (b'{"type":["ping"]}', "type must be a string"),
            (b'{"id":{},"type":"ping"}', "id must be"),
            (b'{"id":7,"type":"ping","params":[]}', "params must be a JSON object"),
            (b'{"id":7,"type":"\xc3\xa9"}', "Unknown command type: \u00e9"),
        ]:
            with self.subTest(line[:40]):
                self.client.write(line + b"\n")
                reply = self.client.receive()
                self.assertEqual(reply["status"], "error")
                self.assertIn(said, reply["message"])
        self.client.write(b' \n\r\n{"type":"ping","params":null}\n')
        self.assertEqual(self.client.receive()["status"], "success")

    def test_a_request_beyond_the_limit_is_refused_and_the_connection_goes_on(self):
        piece = b"x" * (1024 * 1024)
        for _ in range(65):
            self.client.write(piece)
        self.client.write(b"\n")
        self.assertIn("limit", self.client.receive()["message"])
        self.client.result("ping")

    def test_a_client_that_only_closed_its_writing_half_gets_its_answers(self):
        self.client.send("execute_code", code="import time; time.sleep(0.1); result = 1")
        self.client.send("get_scene_info")
        self.client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(self.client.receive()["result"]["result"], 1)
        self.assertEqual(self.client.receive()["status"], "success")
        self.assertRaises(EOFError, self.client.receive)

    def test_a_client_that_vanishes_disturbs_nobody(self):
        for linger in (struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)):
            with self.worker.connect() as client:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.busy(0.1, client)
                client.send("execute_code", code="print('x' * 1_000_000)")
                client.write(b'{"half')
        self.client.result("get_scene_info")

    MUCH = b'{"type":"execute_code","params":{"code":"print(15_000_000 * \'x\')"}}\n'

    def test_a_client_that_does_not_read_freezes_nobody_and_is_cut_off(self):
        with self.worker.connect() as silent:
            silent.result("ping")  # so that it is accepted, and its turn is before the next one's
            silent.write(self.MUCH * 12)
            self.client.result("get_scene_info")
            with self.assertRaises((EOFError, ConnectionError)):
                for _ in range(12):
                    silent.receive()

    def test_a_client_that_reads_late_is_not_asked_for_more_and_gets_everything(self):
        with self.worker.connect() as slow:
            slow.result("ping")
            slow.write(self.MUCH)
            self.client.result("get_scene_info")
            for _ in range(3):
                slow.write(self.MUCH)
                self.client.result("get_scene_info")
            for _ in range(4):
                self.assertEqual(len(slow.receive()["result"]["stdout"]), 15_000_001)

    @unittest.skipUnless(hasattr(signal, "SIGSTOP"), "no SIGSTOP here")
    def test_a_stopped_worker_answers_late_when_it_goes_on(self):
        os.kill(self.worker.pid, signal.SIGSTOP)
        try:
            late = self.worker.connect()
            late.send("get_scene_info")
            late.socket.settimeout(0.2)
            self.assertRaises(TimeoutError, late.receive)
        finally:
            os.kill(self.worker.pid, signal.SIGCONT)
        late.socket.settimeout(REPLY_SECONDS)
        self.assertEqual(late.receive()["status"], "success")
        late.socket.close()


class BlenderMcpDialect(SharedWorker):
    options = ("--dialect", "blender-mcp")

    def test_code_answers_with_what_it_printed_as_the_add_on_does(self):
        self.assertEqual(
            self.client.code("print('hé')", "result = 5"),
            {"status": "success", "result": {"executed": True, "result": "hé\n"}},
        )

    def test_an_error_has_a_status_and_a_message_and_nothing_else(self):
        self.assertEqual(
            self.client.code("1 / 0"),
            {"status": "error", "message": "ZeroDivisionError: division by zero (line 1)"},
        )
        self.assertEqual(
            self.client.call("no_such_thing"),
            {"status": "error", "message": "Unknown command type: no_such_thing"},
        )

    def test_scene_and_object_are_told(self):
        self.assertEqual(self.client.result("get_scene_info")["name"], "Scene")
        self.assertEqual(self.client.result("get_object_info", name="Cube")["type"], "MESH")

    def test_requests_in_one_piece_are_answered_in_order(self):
        for number in range(50):
            self.client.send("get_object_info", name=str(number))
            self.client.send("ping")
        for number in range(50):
            self.assertEqual(self.client.receive()["message"], f"Object not found: {number}")
            self.assertEqual(self.client.receive()["status"], "success")

    def test_a_request_may_be_split_at_every_byte(self):
        code = 'print("}{\\\\\\"[日本🐒", "\\\\")'
        request = json.dumps(
            {"type": "execute_code", "params": {"code": code}}, ensure_ascii=False
        ).encode()
        expected = None
        for cut in range(1, len(request)):
            self.client.write(request[:cut])
            time.sleep(0.001)
            self.client.write(request[cut:] + b" \n"[: cut % 3])
            reply = self.client.receive()
            expected = expected or reply
            self.assertEqual(reply, expected)
        self.assertEqual(expected["status"], "success")

    def test_a_request_of_many_megabytes_is_read_in_one_pass(self):
        began = time.monotonic()
        text = '{"\\\\"}' * 500_000
        reply = self.client.code(f"print(len({text!r}))")
        self.assertEqual(reply["result"]["result"], f"{len(text)}\n")
        self.assertLess(time.monotonic() - began, 20)

    def test_wrong_json_between_braces_is_an_error_and_the_connection_goes_on(self):
        self.client.write(b'{"type": nonsense}{"type":["ping"}]{\\"type": 1}')
        for _ in range(3):
            self.assertIn("Not valid JSON", self.client.receive()["message"])
        self.assertEqual(self.client.result("ping")["pid"], self.worker.pid)

    def test_what_no_request_can_begin_with_is_an_error_and_the_end_of_the_connection(self):
        for garbage in (b"hello\r\n", b"\0", b"[]", b"GET / HTTP/1.1\r\n\r\n"):
            with self.subTest(garbage), self.worker.connect() as client:
                client.send("ping")
                client.write(garbage)
                self.assertEqual(client.receive()["status"], "success")
                self.assertIn("Not a JSON object", client.receive()["message"])
                self.assertRaises(EOFError, client.receive)


@unittest.skipIf(os.name == "nt", "signals cannot be sent here")
class Stopping(unittest.TestCase):
    def stopped(self, worker, within):
        began = time.monotonic()
        self.assertEqual(worker.process.wait(10), 0)
        self.assertLess(time.monotonic() - began, within)

    def start(self, *options):
        worker = Worker(*options)
        self.addCleanup(worker.kill)
        return worker

    def test_sigterm_and_sigint_stop_an_idle_worker_within_a_second(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                worker = self.start("--empty")
                with worker.connect() as client:
                    self.assertEqual(client.result("get_scene_info")["object_count"], 0)
                    os.kill(worker.pid, number)
                    self.stopped(worker, 1)
                    self.assertRaises((EOFError, ConnectionError), client.receive)

    def test_sigterm_lets_the_running_command_finish_and_refuses_the_queued_one(self):
        worker = self.start()
        with worker.connect() as first, worker.connect() as second:
            first.send("execute_code", code="import time; time.sleep(0.4); result = 'done'")
            time.sleep(0.1)
            second.send("get_scene_info")
            time.sleep(0.1)
            os.kill(worker.pid, signal.SIGTERM)
            self.assertEqual(first.receive()["result"]["result"], "done")
            self.assertIn("was not run", second.receive()["message"])
            self.stopped(worker, 1)

    def test_a_second_sigint_interrupts_code_that_never_ends(self):
        worker = self.start()
        with worker.connect() as client:
            client.send("execute_code", code="while True: pass")
            time.sleep(0.2)
            os.kill(worker.pid, signal.SIGINT)
            time.sleep(0.2)
            os.kill(worker.pid, signal.SIGINT)
            self.assertIn("KeyboardInterrupt", client.receive()["message"])
            self.stopped(worker, 1)

    def test_the_end_of_stdin_stops_it(self):
        worker = self.start()
        worker.process.stdin.close()
        self.stopped(worker, 1)
        worker.process.stdin = open(os.devnull)

    def test_it_ends_when_its_parent_is_gone_before_it_listens(self):
        process = subprocess.Popen(
            command_line("--port", "0", "--exit-with-parent"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(process.kill)
        process.stdin.close()
        process.stdout.close()
        ended = process.wait(START_SECONDS)
        if not os.environ.get("BLENDER_BIN"):  # Blender itself may die of its broken stdout first
            self.assertEqual(ended, 0)

    def test_the_listening_line_is_printed_once(self):
        worker = self.start()
        self.assertEqual(len([line for line in worker.lines if LISTENING.match(line)]), 1)


class Starting(unittest.TestCase):
    def run_worker(self, *options):
        return subprocess.run(
            command_line(*options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=START_SECONDS,
        )

    def test_help_is_told_without_starting(self):
        done = self.run_worker("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--allow-remote", done.stdout)

    def test_a_host_that_is_not_loopback_is_refused_unless_allowed(self):
        for host in ("0.0.0.0", "::"):
            with self.subTest(host):
                done = self.run_worker("--host", host)
                self.assertEqual(done.returncode, 2)
                self.assertIn("--allow-remote", done.stdout)
        Worker("--host", "0.0.0.0", "--allow-remote").close()

    def test_a_port_in_use_is_told(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            done = self.run_worker("--port", str(taken.getsockname()[1]))
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot listen", done.stdout)

    def test_wrong_options_are_told(self):
        for wrong in (["--port", "70000"], ["--dialect", "latin"], ["--nonsense"]):
            with self.subTest(wrong):
                self.assertEqual(self.run_worker(*wrong).returncode, 2)


if __name__ == "__main__":
    unittest.main()
