"""Bodies of OAuth: forms that come in, and what RFC 6749, 7662 and 8414 answer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tradeplane.auth.secretive import Secretive

_Secret = Annotated[str, Meta(description="With client_id, unless HTTP Basic says who you are.")]


class OAuthErrorBody(msgspec.Struct, frozen=True):
    """A refusal (RFC 6749, section 5.2)."""

    error: str
    error_description: str


class TokenForm(Secretive, frozen=True):
    """A request of the token endpoint (RFC 6749, RFC 7636)."""

    grant_type: Literal["authorization_code", "refresh_token", "client_credentials"]
    client_id: str | UnsetType = UNSET
    client_secret: _Secret | UnsetType = UNSET
    code: str | UnsetType = UNSET
    redirect_uri: str | UnsetType = UNSET
    code_verifier: str | UnsetType = UNSET
    refresh_token: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET


class TokenQueryForm(Secretive, frozen=True):
    """A token to be revoked (RFC 7009) or looked at (RFC 7662)."""

    token: str
    token_type_hint: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    client_secret: _Secret | UnsetType = UNSET


class ConsentForm(Secretive, frozen=True):
    """What the login and consent page sends; *request* is what the page was made for."""

    request: str
    decision: Literal["allow", "deny"]
    username: str | UnsetType = UNSET
    password: str | UnsetType = UNSET
    otp: str | UnsetType = UNSET


class IntrospectionBody(msgspec.Struct, frozen=True):
    """What is known of a token (RFC 7662); nothing but *active* of one that is not good."""

    active: bool
    scope: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    sub: str | UnsetType = UNSET
    token_type: str | UnsetType = UNSET
    iss: str | UnsetType = UNSET
    aud: str | UnsetType = UNSET
    exp: int | UnsetType = UNSET
    iat: int | UnsetType = UNSET
    nbf: int | UnsetType = UNSET
    jti: str | UnsetType = UNSET


class ServerMetadata(msgspec.Struct, frozen=True):
    """Where things are, and what is supported (RFC 8414; OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    jwks_uri: str
    scopes_supported: tuple[str, ...]
    response_types_supported: tuple[str, ...]
    response_modes_supported: tuple[str, ...]
    grant_types_supported: tuple[str, ...]
    code_challenge_methods_supported: tuple[str, ...]
    token_endpoint_auth_methods_supported: tuple[str, ...]
    revocation_endpoint_auth_methods_supported: tuple[str, ...]
    introspection_endpoint_auth_methods_supported: tuple[str, ...]
    authorization_response_iss_parameter_supported: bool
    subject_types_supported: tuple[str, ...]
    id_token_signing_alg_values_supported: tuple[str, ...]


class JwkSet(msgspec.Struct, frozen=True):
    """Public keys (RFC 7517)."""

    keys: list[dict[str, str]]
