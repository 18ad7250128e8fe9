"""``/.well-known``: where the endpoints of identity are, and which keys tokens are signed by."""

from __future__ import annotations

import msgspec

from serve.exchange import Exchange, Header, Reply
from serve.operation import Answer, Operation
from serve.wire.decimals import encode
from serve.wire.oauth_body import JwkSet, ServerMetadata
from tradeplane.auth.scopes import ACTIONS
from tradeplane.auth.service import IdentityService

_TAG = "oauth"
# Shorter than a new signing key waits before it signs.
_CACHED: tuple[Header, ...] = ((b"cache-control", b"public, max-age=5"),)
_METHODS = ("client_secret_basic", "client_secret_post")


class WellKnownRoutes:
    """The documents by which clients find their way.

    Args:
        identity: knows the keys.
        issuer: the URL of this installation.
    """

    def __init__(self, identity: IdentityService, issuer: str) -> None:
        self._identity = identity
        self._metadata = encode(_metadata(issuer))

    async def metadata(self, exchange: Exchange) -> Reply:
        """Return the metadata of the authorization server."""
        del exchange
        return Reply(200, self._metadata, headers=_CACHED)

    async def jwks(self, exchange: Exchange) -> Reply:
        """Return the public keys."""
        del exchange
        body = encode(msgspec.convert(self._identity.jwks(), JwkSet))
        return Reply(200, body, headers=_CACHED)

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        metadata = (Answer(200, "The metadata.", ServerMetadata),)
        return (
            Operation(
                "GET",
                "/.well-known/oauth-authorization-server",
                self.metadata,
                "getServerMetadata",
                "Find the endpoints of OAuth (RFC 8414)",
                _TAG,
                metadata,
                public=True,
            ),
            Operation(
                "GET",
                "/.well-known/openid-configuration",
                self.metadata,
                "getOpenidConfiguration",
                "The same, where clients of OpenID look for it",
                _TAG,
                metadata,
                public=True,
            ),
            Operation(
                "GET",
                "/.well-known/jwks.json",
                self.jwks,
                "getJwks",
                "Get the keys that access tokens are checked by",
                _TAG,
                (Answer(200, "The keys.", JwkSet),),
                public=True,
            ),
        )


def _metadata(issuer: str) -> ServerMetadata:
    return ServerMetadata(
        issuer=issuer,
        authorization_endpoint=f"{issuer}/oauth/authorize",
        token_endpoint=f"{issuer}/oauth/token",
        revocation_endpoint=f"{issuer}/oauth/revoke",
        introspection_endpoint=f"{issuer}/oauth/introspect",
        jwks_uri=f"{issuer}/.well-known/jwks.json",
        scopes_supported=ACTIONS,
        response_types_supported=("code",),
        response_modes_supported=("query",),
        grant_types_supported=("authorization_code", "refresh_token", "client_credentials"),
        code_challenge_methods_supported=("S256",),
        token_endpoint_auth_methods_supported=(*_METHODS, "none"),
        revocation_endpoint_auth_methods_supported=(*_METHODS, "none"),
        introspection_endpoint_auth_methods_supported=_METHODS,
        authorization_response_iss_parameter_supported=True,
        subject_types_supported=("public",),
        id_token_signing_alg_values_supported=("EdDSA",),
    )
