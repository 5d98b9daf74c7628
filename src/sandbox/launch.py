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


def name_lists_as_aws_does():
    """A list of everything of a kind: ministack asks for permission on "*", AWS on every resource of the kind."""
    from ministack.core import iam_actions

    everything = {
        "DescribeDBInstances": "arn:aws:rds:{region}:{account}:db:*",
        "DescribeStacks": "arn:aws:cloudformation:{region}:{account}:stack/*/*",
    }
    named = iam_actions.extract_resource_arn

    def resource_arn(service, method, path, headers, body, params, region, account):
        found = named(service, method, path, headers, body, params, region, account)
        action = params.get("Action", "")
        action = action[0] if isinstance(action, list) else action
        if found == "*" and action in everything:
            return everything[action].format(region=region, account=account)
        return found

    iam_actions.extract_resource_arn = resource_arn


if os.environ.pop("COUNTERSIGN_TIED", "") == "yes":
    threading.Thread(target=leave_with_parent, daemon=True).start()
sys.argv = sys.argv[1:]
if sys.argv[0] == "ministack":
    name_lists_as_aws_does()
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
