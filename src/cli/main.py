"""``tradeplane``: the operator's command. Exit status 0 is success, 1 a failure, 2 a wrong call."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import uuid
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any

from cli import audit, encryption, identity
from cli.running import keep_to_loopback, use_token
from tradeplane.clock import NS_PER_S
from tradeplane.errors import TradeplaneError
from tradeplane.settings import Settings, from_environment, resolved


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        return int(given.do(given))
    except TradeplaneError as error:
        sys.stderr.write(f"tradeplane: {error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tradeplane", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="start a whole system in the foreground")
    run.set_defaults(do=_run)
    identity.add_commands(commands, _administer)
    encryption.add_commands(commands, _in_key_office)
    audit.add_commands(commands, lambda: resolved(from_environment(os.environ)))
    _add_doctor(commands)
    _add_replay(commands)
    _add_research(commands)
    return parser


def _add_doctor(commands: Any) -> None:
    checks = commands.add_parser("doctor", help="check that this installation is closed")
    checks.add_argument("--json", action="store_true", help="print a JSON list")
    checks.set_defaults(do=_doctor)


def _add_replay(commands: Any) -> None:
    replay = commands.add_parser("replay", help="the venue's clock")
    verbs = replay.add_subparsers(required=True, metavar="VERB")
    for verb, text in (("pause", "stop the clock"), ("resume", "let the clock run again")):
        plain = verbs.add_parser(verb, help=text)
        plain.set_defaults(do=_replay, verb=verb)
    to = verbs.add_parser("set", help="set the clock")
    to.add_argument("time", type=datetime.fromisoformat, help="such as 2012-10-01T10:00-04:00")
    to.set_defaults(do=_replay, verb="set")
    rate = verbs.add_parser("rate", help="venue seconds a wall second while the exchange is open")
    rate.add_argument("rate", type=int)
    rate.set_defaults(do=_replay, verb="rate")


def _add_research(commands: Any) -> None:
    research = commands.add_parser("research", help="jobs on the running cluster")
    verbs = research.add_subparsers(required=True, metavar="VERB")
    backtest = verbs.add_parser("backtest", help="submit a backtest and follow its output")
    backtest.add_argument("arguments", nargs=argparse.REMAINDER, help="for python -m jobs.backtest")
    backtest.set_defaults(do=_research)


def _run(given: argparse.Namespace) -> int:
    del given
    keep_to_loopback()
    settings = _settings()
    from cli.run import Run

    return Run(settings).main()


def _doctor(given: argparse.Namespace) -> int:
    from cli.doctor import doctor

    # Without the usual settings of Ray: what is asked is how Ray runs, not how it should.
    return doctor(resolved(from_environment(os.environ)), as_json=given.json)


def _settings() -> Settings:
    """Return the settings, with Ray's authentication turned on before Ray is imported."""
    settings = resolved(from_environment(os.environ))
    use_token(settings)
    return settings


def _administer(work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    settings = _settings()
    from actors.administration import Administration
    from cli.cluster import connected

    with connected(settings):

        async def session() -> Any:
            async with Administration(settings) as office:
                return await work(office)

        return asyncio.run(session())


def _in_key_office(work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    settings = _settings()
    from actors.key_office import KeyOffice
    from cli.cluster import connected

    with connected(settings):

        async def session() -> Any:
            async with KeyOffice(settings) as office:
                return await work(office)

        return asyncio.run(session())


def _replay(given: argparse.Namespace) -> int:
    from tradeplane.trading.replay import (
        PauseReplay,
        ResumeReplay,
        SetReplayRate,
        SetVenueTime,
    )

    command_id = str(uuid.uuid4())
    commands: dict[str, Callable[[], Any]] = {
        "pause": lambda: PauseReplay(command_id),
        "resume": lambda: ResumeReplay(command_id),
        "set": lambda: SetVenueTime(command_id, int(given.time.timestamp()) * NS_PER_S),
        "rate": lambda: SetReplayRate(command_id, given.rate),
    }
    _administer(lambda office: office.replay(commands[given.verb]()))
    return 0


def _research(given: argparse.Namespace) -> int:
    settings = _settings()
    from cli.research import submit_backtest

    return submit_backtest(settings, given.arguments)


if __name__ == "__main__":
    sys.exit(main())
