"""``tradeplane encryption keys|root|data-keys``.

What is found is printed as JSON. Every command that changes something asks for ``--reason``, which
the audit log keeps. No key is ever printed.
"""

from __future__ import annotations

import argparse
import getpass
import hashlib
import sys
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import msgspec

from tradeplane.auth.principal import HOME_TENANT, Origin

Office: TypeAlias = Any
"""An ``actors.key_office.KeyOffice``, which this module need not load."""
Work: TypeAlias = Callable[[Office, argparse.Namespace], Coroutine[Any, Any, Any]]
InOffice: TypeAlias = Callable[[Callable[[Office], Coroutine[Any, Any, Any]]], Any]
Verb: TypeAlias = Callable[..., argparse.ArgumentParser]


def add_commands(commands: Any, in_office: InOffice) -> None:
    """Add the noun ``encryption`` to *commands*; its verbs are run by *in_office*."""
    parts = commands.add_parser("encryption", help="keys").add_subparsers(
        required=True, metavar="NOUN"
    )

    def noun(name: str, text: str) -> Verb:
        verbs = parts.add_parser(name, help=text).add_subparsers(required=True, metavar="VERB")

        def verb(name: str, text: str, work: Work, *, writes: bool = True) -> Any:
            parser = verbs.add_parser(name, help=text)
            if writes:
                parser.add_argument("--reason", required=True, help="why; the audit log keeps it")
            parser.set_defaults(do=_doing(in_office, work), tenant=HOME_TENANT)
            return parser

        return verb

    _add_keys(noun("keys", "the named keys of a tenant"))
    root = noun("root", "the key that wraps all data keys")
    rotate = root("rotate", "wrap every data key by another root key", _rotate_root)
    rotate.add_argument(
        "--to", help="URL of the new one, empty for the file; without it the file gets a new key"
    )
    data_keys = noun("data-keys", "the keys that seal stored data")
    data_keys("list", "every version of every one", _list_data_keys, writes=False)
    data_keys("rotate", "seal with a new version from now on", _rotate_data_key).add_argument(
        "purpose", help="such as journal"
    )


def _add_keys(verb: Verb) -> None:
    def of_key(name: str, text: str, work: Work) -> argparse.ArgumentParser:
        parser = verb(name, text, work)
        parser.add_argument("name")
        return parser

    made = [verb("list", "every key, without its secrets", _list_keys, writes=False)]
    create = of_key("create", "make a key", _create_key)
    create.add_argument("--type", default="aes256-gcm96", help="such as rsa-4096 or ed25519")
    config = of_key("config", "change what may be done with a key", _configure_key)
    config.add_argument("--min-decryption-version", type=int)
    config.add_argument("--min-encryption-version", type=int)
    config.add_argument("--deletion-allowed", choices=("true", "false"))
    config.add_argument("--exportable", action="store_const", const="true", help="for ever")
    trim = of_key("trim", "destroy old versions for good", _trim_key)
    trim.add_argument("min_available_version", type=int)
    made += [
        create,
        config,
        trim,
        of_key("rotate", "add a version, and use it", _rotate_key),
        of_key("delete", "destroy a key for good, if it allows it", _delete_key),
    ]
    for parser in made:
        parser.add_argument("--tenant", default=HOME_TENANT, help="the firm")


def _doing(in_office: InOffice, work: Work) -> Callable[[argparse.Namespace], int]:
    def do(given: argparse.Namespace) -> int:
        found = in_office(lambda office: work(office, given))
        if found is not None:
            printed = msgspec.json.format(msgspec.json.encode(found))
            sys.stdout.write(printed.decode() + "\n")
        return 0

    return do


def _origin(given: argparse.Namespace) -> Origin:
    """Return who gives the command: the operator of this machine, by a name that is no name."""
    subject = hashlib.sha256(getpass.getuser().encode()).hexdigest()[:12]
    return Origin("operator", f"cli-{subject}", given.tenant, uuid.uuid4().hex, "", given.reason)


async def _list_keys(office: Office, given: argparse.Namespace) -> Any:
    found = []
    for name in office.keys.key_names(given.tenant):
        ring = await office.keys.key(given.tenant, name)
        found.append(
            {
                "name": name,
                "type": ring.key_kind,
                "latest_version": ring.active,
                "versions": list(ring.versions),
                "min_decryption_version": ring.min_decryption_version,
                "min_encryption_version": ring.min_encryption_version,
                "deletion_allowed": ring.deletion_allowed,
                "exportable": ring.exportable,
            }
        )
    return found


async def _create_key(office: Office, given: argparse.Namespace) -> Any:
    from tradeplane.encryption.kinds import kind_of

    await office.keys.generate_key(given.tenant, given.name, kind_of(given.type), _origin(given))


async def _rotate_key(office: Office, given: argparse.Namespace) -> Any:
    version = await office.keys.rotate_key(given.tenant, given.name, _origin(given))
    return {"name": given.name, "latest_version": version}


async def _configure_key(office: Office, given: argparse.Namespace) -> Any:
    from tradeplane.encryption.service import Configuration

    def flag(text: str | None) -> bool | None:
        return None if text is None else text == "true"

    wanted = Configuration(
        given.min_decryption_version,
        given.min_encryption_version,
        flag(given.deletion_allowed),
        flag(given.exportable),
    )
    await office.keys.configure_key(given.tenant, given.name, wanted, _origin(given))


async def _trim_key(office: Office, given: argparse.Namespace) -> Any:
    await office.keys.trim_key(
        given.tenant, given.name, given.min_available_version, _origin(given)
    )


async def _delete_key(office: Office, given: argparse.Namespace) -> Any:
    await office.keys.delete_key(given.tenant, given.name, _origin(given))


async def _rotate_root(office: Office, given: argparse.Namespace) -> Any:
    rewrapped = await office.rotate_root(given.to, _origin(given))
    found: dict[str, Any] = {"rewrapped": rewrapped}
    if given.to is not None:
        found["next"] = f"set TRADEPLANE_ROOT_KEY_URL to {given.to!r} and restart every process"
    return found


async def _list_data_keys(office: Office, given: argparse.Namespace) -> Any:
    del given
    return await office.data_keys()


async def _rotate_data_key(office: Office, given: argparse.Namespace) -> Any:
    version = await office.rotate_data_key(given.purpose, _origin(given))
    return {"purpose": given.purpose, "version": version}
