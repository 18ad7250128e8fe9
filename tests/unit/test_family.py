"""The descendants of a run, whatever they call themselves and whoever their parent has become."""

import signal
import subprocess
import sys

from cli.family import Family

# A process whose child goes on when it has died, and empties its own environment.
ORPHAN = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print(1, flush=True); input()"],
                         env={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_grandchild_is_ended_after_its_parent_has_died() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
        family = Family(parent.pid)
        family.look()
        parent.kill()
        parent.wait()

        assert family.end() == 1

    assert orphan in family._members


def test_a_stranger_with_the_number_of_a_member_is_left_alone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        family = Family(stranger.pid)
        family._members[stranger.pid] = 1

        assert family.end() == 0
        assert stranger.poll() is None

        stranger.send_signal(signal.SIGKILL)
