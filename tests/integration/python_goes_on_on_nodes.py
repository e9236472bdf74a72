# SPDX-License-Identifier: MIT
"""Claim: CPython forks to a node by ctypes alone, with threads that its caller has, and goes on
there as after os.fork(): objects, collector, locks, threads, signals, generators, coroutines, modules in C
that were loaded before and that are loaded there, children of its own; os.getpid() is the new
one, and random numbers differ.  The caller goes on as well, also after a call that has failed.
It also moves, an executable of it restarts, and a node restarts its checkpoint,
also one that was taken beside other threads.

Run by python_goes_on_on_nodes.sh: HOST, a path for executable and checkpoint, and undump(1)."""
import asyncio
import ctypes
import decimal
import gc
import importlib
import os
import pickle
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import uuid
import weakref

librfork = ctypes.PyDLL("librfork.so.0", use_errno=True)
librfork.rfork.argtypes = librfork.rfork_move.argtypes = [ctypes.c_char_p]
librfork.rfork_undump.argtypes = [ctypes.c_char_p]
librfork.rfork_checkpoint.restype = ctypes.c_int64
librfork.rfork_commit.argtypes = [ctypes.c_int64, ctypes.c_int]
librfork.rfork_commit_wait.argtypes = [ctypes.c_int64, ctypes.c_int]
librfork.rfork_error.restype = ctypes.c_char_p
librfork.rfork_atfork.argtypes = [ctypes.c_void_p] * 3
host, path, undump = sys.argv[1:]
RFORK_THIS_THREAD = 1 << 7


class Node:
    """Belongs to a cycle that only the collector takes apart."""

    def __init__(self):
        self.me = self


def counter():
    n = 0
    while True:
        n += 1
        yield n


class State:
    """What a program has when it forks."""

    def __init__(self):
        self.graph = {i: [str(i), {i: (i, float(i))}] for i in range(50000)}
        self.node = Node()
        self.weak = weakref.ref(self.node)
        self.numbers = counter()
        self.database = sqlite3.connect(":memory:")
        self.database.execute("create table t (n)")
        self.database.executemany("insert into t values (?)", ((i,) for i in range(1000)))
        self.big = 3 ** 100000
        self.context = decimal.Context(prec=60)
        self.loop = asyncio.new_event_loop()
        self.loop.close()  # an epoll instance of its own is another test's matter
        self.pid = os.getpid()
        self.caught = []
        next(self.numbers)
        gc.freeze()
        signal.signal(signal.SIGUSR1, lambda *_: self.caught.append(os.getpid()))


def expect(what, value, expected):
    if value != expected:
        raise AssertionError("%s: %r, not %r" % (what, value, expected))


def check_objects(state):
    expect("graph", state.graph[49999], ["49999", {49999: (49999, 49999.0)}])
    expect("generator", next(state.numbers), 2)
    expect("database", state.database.execute("select sum(n) from t").fetchone()[0], 499500)
    expect("big number", state.big % 1000007, pow(3, 100000, 1000007))
    expect("decimal", str(state.context.divide(1, 7))[:12], "0.1428571428")
    expect("weak reference", state.weak() is state.node, True)
    gc.unfreeze()
    state.node = None
    gc.collect()
    expect("collected", state.weak(), None)


def check_exceptions():
    def sink(n):
        return sink(n + 1)

    try:
        sink(0)
    except RecursionError:
        pass
    try:
        pickle.loads(b"\x80\x05.")
    except pickle.UnpicklingError as error:
        expect("its words", "unpickling stack" in str(error), True)


def check_threads():
    done = []
    lock = threading.Lock()
    threads = [threading.Thread(target=lambda i=i: [lock.acquire(), done.append(i), lock.release()])
               for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect("threads that ran", sorted(done), [0, 1, 2, 3])
    expect("threads that are left", threading.active_count(), 1)


async def answer():
    await asyncio.sleep(0)
    return 42


def check_system(state):
    expect("is a new process", os.getpid() != state.pid, True)
    os.kill(os.getpid(), signal.SIGUSR1)
    expect("signals caught", state.caught, [os.getpid()])
    expect("command", subprocess.run(["/bin/echo", "there"], stdout=subprocess.PIPE,
                                     check=True).stdout, b"there\n")
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    expect("fork child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 7)
    expect("coroutine", asyncio.run(answer()), 42)


def check_modules():
    """Some that hold C code, and had not been loaded."""
    loaded = 0
    for name in ("_bz2", "_lzma", "_elementtree", "_multibytecodec", "audioop", "_curses"):
        if name not in sys.modules:
            try:
                importlib.import_module(name)
                loaded += 1
            except ImportError:
                pass  # this Python has none
    expect("modules were loaded", loaded > 0, True)


def draw():
    return random.random(), uuid.uuid4().hex, os.urandom(8)


def check_all(state):
    check_objects(state)
    check_exceptions()
    check_threads()
    check_system(state)
    check_modules()
    return draw()


def exit_status(function):
    """Ends a child: its parent must not go on as well."""
    try:
        function()
        os._exit(42)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)


def fail(what):
    raise OSError(ctypes.get_errno(), "%s: %s" % (what, librfork.rfork_error().decode()))


def ask_child(state):
    read_end, write_end = os.pipe()
    pid = librfork.rfork(host.encode())
    if pid < 0:
        fail("rfork")
    if pid == 0:
        exit_status(lambda: os.write(write_end, pickle.dumps(check_all(state))))
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        answer = pipe.read()
    expect("exit status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 42)
    return pickle.loads(answer)


def move():
    state = State()
    pid = os.fork()
    if pid == 0:
        if librfork.rfork_move(host.encode()) < 0:
            fail("rfork_move")
        exit_status(lambda: check_all(state))
    expect("moved", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 42)


def undump_itself():
    """True where the executable has been written, False in a process that it is."""
    written = librfork.rfork_undump(path.encode())
    if written < 0:
        fail("rfork_undump")
    return written == 1


def checkpoint(flags=0):
    """The same by a statefile."""
    crid = librfork.rfork_checkpoint(flags)
    if crid < 0:
        fail("rfork_checkpoint")
    if crid == 0:
        return False
    with open(path, "wb") as file:
        if librfork.rfork_commit(crid, file.fileno()) < 0:
            fail("rfork_commit")
    if librfork.rfork_commit_wait(crid, -1) < 0:
        fail("rfork_commit_wait")
    return True


def restart(write, command):
    state = State()
    pid = os.fork()
    if pid == 0:
        if write():
            os._exit(0)
        print(draw(), flush=True)
        exit_status(lambda: check_all(state))
    expect("written", os.waitpid(pid, 0)[1], 0)
    runs = [subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                           check=False) for _ in range(2)]
    expect("restarted", [run.returncode for run in runs], [42, 42])
    expect("draws of restarts differ", runs[0].stdout != runs[1].stdout, True)
    os.unlink(path)


def restart_without_threads(state):
    """Of a program that has others, and goes on with them."""
    if not checkpoint(RFORK_THIS_THREAD):
        exit_status(lambda: check_all(state))
    run = subprocess.run([undump, "--to", host, path], stdin=subprocess.DEVNULL, check=False)
    expect("restarted without other threads", run.returncode, 42)
    os.unlink(path)


def main():
    functions = [ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p) for name in
                 ("PyOS_BeforeFork", "PyOS_AfterFork_Parent", "PyOS_AfterFork_Child")]
    if librfork.rfork_atfork(*functions) < 0:
        fail("rfork_atfork")
    state = State()
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    expect("nobody listens", librfork.rfork(b"127.0.0.1:1"), -1)
    draws = [ask_child(state) for _ in range(3)]
    for number in range(3):
        expect("draws differ", len({one[number] for one in draws}), 3)
    restart_without_threads(state)
    stop.set()
    for thread in threads:
        thread.join()
    expect("generator at home", next(state.numbers), 2)
    state.database.close()
    move()
    restart(undump_itself, [path])
    restart(checkpoint, [undump, "--to", host, path])


main()
