# SPDX-License-Identifier: MIT
#
# Reads what undump --info --json says of the sample statefile (statefile_sample.c) from standard input, and
# compares it with what the sample is.  Run by test_info.c.
import json
import os
import sys

info = json.loads(sys.stdin.buffer.read().decode("utf-8", "strict"))
failures = 0


def expect(name, got, expected):
    global failures
    if got != expected:
        failures += 1
        print(f"{name}: {got!r}, not {expected!r}")


def pick(mapping, *names):
    return {name: mapping[name] for name in names}


TEXT = 0x555555554000
PAGE = 0x1000

expect("kind", info["kind"], "statefile")
expect("id", info["id"], "78" + 15 * "00")
expect("captured_ns", info["captured_ns"], 1795651200000000000)
expect("parents", [os.path.basename(p["file"]) for p in info["parents"]], ["p.state"])
expect("id of the parent", info["parents"][0]["id"], "70" + 15 * "00")

machine = info["machine"]
expect("machine", pick(machine, "architecture", "host", "kernel", "xsave_bytes"),
       {"architecture": "x86_64", "host": "somewhere", "kernel": "6.18.0-sample",
        "xsave_bytes": 832})
expect("cpu_features", machine["cpu_features"], ["pni", "sse", "sse2"])
expect("vector_state", machine["vector_state"], ["x87", "SSE", "AVX"])
expect("hops", info["identity"]["hops"], 2)
expect("origin", info["identity"]["origin"]["host"], "first")
expect("home", info["identity"]["home"]["pid"], 4711)
expect("clocks", info["clocks"], {"monotonic_ns": 7200000000123, "boottime_ns": 9000000000456,
                                  "time_namespace": 4026531834})
expect("process", pick(info["process"], "pid", "name", "directory", "umask"),
       {"pid": 4711, "name": "sam\"p\\le", "directory": "/home/user", "umask": 0o22})
expect("rights", info["rights"], { "root_without": "net_raw", "without_effect": "sys_admin",
	"bounding_set_without": "sys_resource", "chroot": True })
state = info["state"]
expect("limits", [state["limits"][name] for name in ("NOFILE", "MEMLOCK")],
       [{"soft": 1007, "hard": "unlimited"}, {"soft": 1008, "hard": 1008}])
expect("state", pick(state, "oom_score_adj", "coredump_filter", "personality", "dumpable",
                     "no_new_privs", "subreaper", "death_signal", "autogroup_nice", "membarrier"),
       {"oom_score_adj": -1000, "coredump_filter": 0x33, "personality": 0x40000, "dumpable": 1,
        "no_new_privs": False, "subreaper": True, "death_signal": 64, "autogroup_nice": 19,
        "membarrier": 20})
expect("thread's state", pick(info["threads"][0], "name", "policy", "nice", "timer_slack_ns",
                              "cpus", "numa_nodes", "time_stamp_counter"),
       {"name": "sample", "policy": "SCHED_OTHER", "nice": -20, "timer_slack_ns": 50000,
        "cpus": [1, 2, 64], "numa_nodes": [0], "time_stamp_counter": False})

memory = info["memory"]
expect("mappings", len(memory), 4)
expect("text", pick(memory[0], "start", "bytes", "mode", "by", "data_pages", "zero_pages", "file",
                    "locked"),
       {"start": hex(TEXT), "bytes": 4 * PAGE, "mode": "r-xp", "by": "reference",
        "data_pages": 0, "zero_pages": 1, "file": 0, "locked": False})
expect("digest of the text", memory[0]["digest"], "01" + 14 * "0" + "02" + 14 * "0")
expect("heap", pick(memory[1], "mode", "by", "what", "data_pages", "guard_pages", "locked"),
       {"mode": "rw-p", "by": "content", "what": "[heap]", "data_pages": 2, "guard_pages": 1,
        "locked": True})
expect("marks", [(mark["start"], mark["marks"], mark["protection_key"]) for mark in info["marks"]],
       [("0x555555558000", ["not-dumped", "sealed"], 2)])
expect("shared", pick(memory[2], "mode", "by", "data_pages", "file_offset"),
       {"mode": "rw-s", "by": "reference", "data_pages": 0, "file_offset": PAGE})
expect("stack", pick(memory[3], "what", "data_pages", "grows_down"),
       {"what": "[stack]", "data_pages": 3, "grows_down": True})
expect("vdso", [area["kind"] for area in info["vdso"]], ["data", "code"])

# a newline, an escape, a quote, three characters of UTF-8, and a byte that is none
expect("path", os.fsencode(info["files"][1]["path"]), b"/a\nb\x1b\"\xc3\xa4\xe2\x82\xac\xc2\x9b\xff")
expect("file", pick(info["files"][0], "path", "bytes", "device", "inode"),
       {"path": "/usr/bin/sample", "bytes": 0x4000, "device": 0x801, "inode": 77})

descriptors = {d["number"]: d for d in info["descriptors"]}
expect("descriptors", sorted(descriptors), [0, 1, 2, 7, 9, 12, 13, 20, 21])
expect("descriptor 2", descriptors[2]["same_as"], 1)
expect("descriptor 7", pick(descriptors[7], "kind", "stream", "access", "channel"),
       {"kind": "relay", "stream": "stream socket", "access": "read and write", "channel": 1023})
expect("descriptor 9", pick(descriptors[9], "kind", "close_on_exec", "access", "file", "offset",
                            "by_path", "at_end"),
       {"kind": "file", "close_on_exec": True, "access": "read", "file": 0, "offset": 100,
        "by_path": False, "at_end": True})
expect("pipes", info["pipes"], [{"capacity_bytes": 8192, "bytes": 6}])
expect("descriptor 20", pick(descriptors[20], "kind", "object"), {"kind": "object", "object": 0})
expect("objects", info["objects"],
       [{"kind": "eventfd", "count": 2**64 - 2, "semaphore": True},
        {"kind": "timerfd", "remaining_ns": 5, "interval_ns": 2**63 - 1, "expirations": 2**64 - 1},
        {"kind": "signalfd", "mask": "0x4200"},
        {"kind": "epoll",
         "watches": [{"number": 20, "descriptor": 20, "events": "0x19", "data": hex(2**64 - 1)},
                     {"number": 1000, "descriptor": 7, "events": "0xc0000001", "data": "0x0"}]},
        {"kind": "pidfd"}, {"kind": "inotify", "watched": 2}])
expect("locks", info["locks"],
       [{"descriptor": 9, "kind": "F_SETLK", "exclusive": False, "start": 100,
         "bytes": 2**63 - 1 - 100},
        {"descriptor": 9, "kind": "flock", "exclusive": True, "start": 0, "bytes": 0}])
expect("timers", [pick(t, "kind", "remaining_ns", "interval_ns") for t in info["timers"]],
       [{"kind": "ITIMER_REAL", "remaining_ns": 5, "interval_ns": 7},
        {"kind": "timer_create", "remaining_ns": 2**63 - 1, "interval_ns": 0},
        {"kind": "timer_create", "remaining_ns": 0, "interval_ns": 0}])
expect("signals of timers", [t["signal"] for t in info["timers"][1:]], ["SIGRTMIN+30", None])
expect("pending_signals", info["pending_signals"], ["SIGUSR1", "SIGRTMIN+0"])
expect("signal_actions", info["signal_actions"],
       [{"signal": "SIGINT", "handler": hex(TEXT), "flags": "0x4000000", "mask": "0x0"},
        {"signal": "SIGPIPE", "handler": "ignore", "flags": "0x0", "mask": "0x0"}])

thread = info["threads"][0]
expect("thread", pick(thread, "tid", "interrupted", "signal_mask", "mxcsr", "rseq"),
       {"tid": 4711, "interrupted": False, "signal_mask": "0x1", "mxcsr": "0x1f80",
        "rseq": hex(TEXT + 0x5020)})
expect("registers", pick(thread["registers"], "rip", "cs", "eflags", "fs_base", "r15"),
       {"rip": hex(TEXT + 0x100), "cs": "0x33", "eflags": "0x246",
        "fs_base": hex(TEXT + 0x5000), "r15": "0x0"})
expect("names of registers", len(thread["registers"]), 27)
expect("lost", info["lost"], ["descriptor 5: /dev/sample", "the rest of it"])

sys.exit(1 if failures else 0)
