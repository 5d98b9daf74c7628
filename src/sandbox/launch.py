"""Runs an emulator's module as a program: launch.py MODULE [ARGUMENT...]

Standard input is the tie to the process that started it: when that ends, however it ends, the pipe closes and the
emulator goes too. A detached emulator gets no such pipe.
"""

import os
import runpy
import sys
import threading


def leave_with_parent():
    while sys.stdin.buffer.read(1024):
        pass
    os._exit(0)


if os.environ.pop("COUNTERSIGN_TIED", "") == "yes":
    threading.Thread(target=leave_with_parent, daemon=True).start()
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
