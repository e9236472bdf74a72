#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run: 10-python.py HOST...

Lesson 10: a warm Python sends its work to nodes.  It builds what takes time once, a table in
memory and a database in a C extension; each child has it all, asks it on a node, and answers
through a pipe.  Nothing of this needs more than ctypes: no module of rfork's, none on the nodes.
"""
import ctypes
import os
import pickle
import sqlite3
import sys

# PyDLL, not CDLL: the interpreter's lock stays with the thread that calls.
librfork = ctypes.PyDLL("librfork.so.0", use_errno=True)
librfork.rfork.argtypes = [ctypes.c_char_p]
librfork.rfork_error.restype = ctypes.c_char_p
librfork.rfork_atfork.argtypes = [ctypes.c_void_p] * 3


def follow_forks():
    """Has Python do around rfork() what it does around os.fork(): locks, threads, generators."""
    functions = ("PyOS_BeforeFork", "PyOS_AfterFork_Parent", "PyOS_AfterFork_Child")
    addresses = (ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p)
                 for name in functions)
    if librfork.rfork_atfork(*addresses) < 0:
        raise OSError(ctypes.get_errno(), librfork.rfork_error().decode())


def call_there(host, function, *arguments):
    """Begins function(*arguments) on a node; its result is to be had from the pipe."""
    read_end, write_end = os.pipe()
    sys.stdout.flush()  # else the child has it in its buffer, too
    pid = librfork.rfork(host.encode())
    if pid < 0:
        raise OSError(ctypes.get_errno(), librfork.rfork_error().decode())
    if pid == 0:
        status = 1
        try:
            with os.fdopen(write_end, "wb") as pipe:
                pickle.dump(function(*arguments), pipe)
            status = 0
        finally:
            os._exit(status)
    os.close(write_end)
    return pid, os.fdopen(read_end, "rb")


def result_of(pid, pipe):
    with pipe:
        result = pickle.load(pipe)
    if os.waitpid(pid, 0)[1] != 0:
        raise ChildProcessError("process %d has failed" % pid)
    return result


def factorize(limit):
    """The smallest prime factor of each number."""
    smallest = list(range(limit))
    for n in range(2, int(limit ** 0.5) + 1):
        if smallest[n] == n:
            for multiple in range(n * n, limit, n):
                smallest[multiple] = min(smallest[multiple], n)
    return smallest


def build(limit):
    smallest = factorize(limit)
    graph = {n: {"of": n, "divided": smallest[n], "rest": None} for n in range(2, limit)}
    for n, node in graph.items():
        node["rest"] = graph.get(n // smallest[n])  # objects that lead to each other
    database = sqlite3.connect(":memory:")
    database.execute("create table number (n integer primary key, factor integer)")
    database.executemany("insert into number values (?, ?)",
                         ((n, smallest[n]) for n in range(2, limit)))
    return graph, database


def count(graph, database, part, parts):
    """Numbers without a square factor, by the graph, and primes, by the database."""
    square_free = 0
    for n in range(2 + part, len(graph) + 2, parts):
        factors, node = [], graph[n]
        while node:
            factors.append(node["divided"])
            node = node["rest"]
        square_free += len(set(factors)) == len(factors)
    primes = database.execute("select count(*) from number where factor = n and n % ? = ?",
                              (parts, part)).fetchone()[0]
    return os.getpid(), square_free, primes


def main():
    hosts = sys.argv[1:]
    if not hosts:
        sys.exit("usage: 10-python.py HOST...")
    follow_forks()
    graph, database = build(100000)
    calls = [call_there(host, count, graph, database, part, len(hosts))
             for part, host in enumerate(hosts)]
    results = [result_of(*call) for call in calls]
    for host, (pid, square_free, primes) in zip(hosts, results):
        print("%s: process %d found %d and %d" % (host, pid, square_free, primes))
    print("below 100000 there are %d numbers without a square factor and %d primes" %
          (sum(result[1] for result in results), sum(result[2] for result in results)))


if __name__ == "__main__":
    main()
