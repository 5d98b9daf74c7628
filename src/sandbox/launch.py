"""Runs an emulator's module as a program: launch.py MODULE [ARGUMENT...]

Standard input is the tie to the process that started it: when that ends, however it ends, the pipe closes and the
emulator goes too. A detached emulator gets no such pipe.
"""

import json
import os
import runpy
import sys
import threading


def leave_with_parent():
    while sys.stdin.buffer.read(1024):
        pass
    os._exit(0)


def name_resources_as_aws_does():
    """Where ministack asks for permission on "*", and AWS on resources: a list of everything of a kind is about every
    resource of the kind, the tags of a table or a topic are about it, and so is what is done with a backup."""
    from ministack.core import iam_actions

    everything = {
        "DescribeDBInstances": "arn:aws:rds:{region}:{account}:db:*",
        "DescribeStacks": "arn:aws:cloudformation:{region}:{account}:stack/*/*",
    }
    named = iam_actions.extract_resource_arn

    def resource_of(body):
        try:
            given = json.loads(body or b"{}")
            arn = given.get("ResourceArn") or given.get("BackupArn")
        except (ValueError, AttributeError):
            return None
        return arn if isinstance(arn, str) else None

    def resource_arn(service, method, path, headers, body, params, region, account):
        found = named(service, method, path, headers, body, params, region, account)
        action = params.get("Action", "")
        action = action[0] if isinstance(action, list) else action
        if found == "*" and action in everything:
            return everything[action].format(region=region, account=account)
        if found == "*" and service == "dynamodb":
            return resource_of(body) or found
        if found == "*" and service == "sns":
            arn = params.get("ResourceArn", found)
            return arn[0] if isinstance(arn, list) else arn
        return found

    iam_actions.extract_resource_arn = resource_arn


def name_versions_as_aws_does():
    """The condition key `s3:versionid`, which ministack doesn't know."""
    from ministack.core import iam_actions

    known = iam_actions.s3_service_context

    def context(action, params, *more):
        version = (params or {}).get("versionId")
        version = version[0] if isinstance(version, list) and version else version
        found = known(action, params, *more)
        return {**found, "s3:versionid": version} if version else found

    iam_actions.s3_service_context = context


if os.environ.pop("COUNTERSIGN_TIED", "") == "yes":
    threading.Thread(target=leave_with_parent, daemon=True).start()
sys.argv = sys.argv[1:]
if sys.argv[0] == "ministack":
    name_resources_as_aws_does()
    name_versions_as_aws_does()
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
