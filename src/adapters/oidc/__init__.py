"""An OpenID Connect relying party: logins with an identity of an external provider."""
