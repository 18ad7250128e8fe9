"""The limits of identity, each with its unit."""

from __future__ import annotations

import msgspec

from tradeplane.clock import NS_PER_S

MINUTE_NS = 60 * NS_PER_S
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS


class IdentityLimits(msgspec.Struct, frozen=True):
    """How many, and how long.

    Attributes:
        tenants_max: firms.
        users_max: logins of the installation.
        accounts_max: trading accounts of the installation.
        keys_max: live API keys of the installation.
        account_keys_max: live API keys of one account.
        clients_max: OAuth clients of the installation.
        sessions_max: open sessions of the installation.
        user_sessions_max: open sessions of one user; the one that was used least recently goes.
        codes_max: authorization codes that are remembered.
        once_max: keys that were used up and are remembered.
        revoked_max: revoked tokens and ended sessions that are remembered.
        externals_max: external identities of one user.
        policy_bytes_max: size of all policy files together.
        access_ns: life of an access token.
        idle_ns: how long a session lives on without a refresh.
        session_ns: how long a session lives in any case.
        grace_ns: how long the same refresh token gives the same successor.
        code_ns: life of an authorization code (RFC 9700 asks for a minute or less at level 3).
        enrollment_ns: how long a second factor waits for its first code.
        publish_ns: how long a signing key is known before it signs: longer than any replica goes
            on answering without having heard from us.
        signing_ns: how long a signing key signs before it is rotated.
        free_failures: failed attempts in a row without a wait.
        wait_ns: the first wait; each further failure doubles it.
        wait_max_ns: the longest wait.
        failures_max: failed attempts in a row that lock for good, until an administrator acts
            (NIST SP 800-63B-4, section 3.2.2, allows 100).
        forget_ns: after so long without a failure, they are forgotten.
    """

    tenants_max: int = 1_000
    users_max: int = 50_000
    accounts_max: int = 100_000
    keys_max: int = 100_000
    account_keys_max: int = 50
    clients_max: int = 1_000
    sessions_max: int = 50_000
    user_sessions_max: int = 50
    codes_max: int = 10_000
    once_max: int = 20_000
    revoked_max: int = 200_000
    externals_max: int = 5
    policy_bytes_max: int = 256 * 1024
    access_ns: int = 5 * MINUTE_NS
    idle_ns: int = HOUR_NS
    session_ns: int = DAY_NS
    grace_ns: int = 30 * NS_PER_S
    code_ns: int = MINUTE_NS
    enrollment_ns: int = 10 * MINUTE_NS
    publish_ns: int = 10 * NS_PER_S
    signing_ns: int = 30 * DAY_NS
    free_failures: int = 5
    wait_ns: int = 30 * NS_PER_S
    wait_max_ns: int = 15 * MINUTE_NS
    failures_max: int = 100
    forget_ns: int = DAY_NS
