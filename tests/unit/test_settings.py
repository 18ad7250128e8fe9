"""Settings are read once, typed, and refuse what they do not know."""

import pickle

import pytest

from tradeplane.errors import Misconfigured
from tradeplane.settings import Settings, from_environment, issuer, variable


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = from_environment({"PATH": "/bin"})

    assert settings == Settings()
    assert (settings.http_port, settings.serve_port, settings.stream_port) == (8000, 8001, 8002)
    assert settings.rate_limit_per_minute == 200


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TRADEPLANE_HTP_PORT": "8000"}, "TRADEPLANE_HTP_PORT is no setting"),
        ({"TRADEPLANE_HTTP_PORT": "eight"}, "must be of type int"),
        ({"TRADEPLANE_HTTP_PORT": "70000"}, "between 1 and 65535"),
        ({"TRADEPLANE_HTTP_PORT": "8001"}, "are both 8001"),
        (
            {"TRADEPLANE_REPLICAS_MIN": "9", "TRADEPLANE_REPLICAS_MAX": "4"},
            "below TRADEPLANE_REPLICAS_MIN",
        ),
        ({"TRADEPLANE_LOG_LEVEL": "loud"}, "DEBUG, INFO, WARNING or ERROR"),
        ({"TRADEPLANE_STARTING_CASH": "ten"}, "must be of type Decimal"),
        ({"TRADEPLANE_CACHE_URL": "redis://127.0.0.1"}, "has no such backend"),
        ({"TRADEPLANE_PUBLIC_URL": "venue.example"}, "TRADEPLANE_PUBLIC_URL must be"),
        ({"TRADEPLANE_ACCESS_TOKEN_S": "5"}, "TRADEPLANE_ACCESS_TOKEN_S is 5"),
    ],
)
def test_a_wrong_setting_is_refused_and_named(environment: dict[str, str], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        from_environment(environment)


PROVIDER = {
    "TRADEPLANE_OIDC_ISSUER": "https://provider.example/realm",
    "TRADEPLANE_OIDC_CLIENT_ID": "venue",
    "TRADEPLANE_OIDC_CLIENT_SECRET_FILE": "/run/secrets/oidc",
    "TRADEPLANE_PUBLIC_URL": "https://venue.example",
}


@pytest.mark.parametrize("missing", PROVIDER)
def test_an_external_provider_needs_all_of_its_settings(missing: str) -> None:
    assert from_environment(PROVIDER).oidc_client_id == "venue"

    with pytest.raises(Misconfigured, match=f"{missing} is empty"):
        from_environment({**PROVIDER, missing: ""})


@pytest.mark.parametrize("name", ["TRADEPLANE_OIDC_ISSUER", "TRADEPLANE_PUBLIC_URL"])
@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://venue.example:8443/path", True),
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:8000", True),
        ("http://localhost", True),
        ("http://venue.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost.evil.example", False),
        ("https://127.0.0.1@evil.example", False),
        ("https://venue.example/?a=b", False),
        ("https://venue.example/#a", False),
        ("https://", False),
        ("https://venue.example:port", False),
        ("https://venue .example", False),
        ("https://venue\\.example", False),
        ("https://venue\u00e9.example", False),
        ("ftp://127.0.0.1", False),
    ],
)
def test_secrets_of_an_external_login_travel_by_https_or_not_at_all(
    name: str, url: str, *, good: bool
) -> None:
    environment = {**PROVIDER, name: url}
    if good:
        assert from_environment(environment)
        return
    with pytest.raises(Misconfigured, match=name):
        from_environment(environment)


def test_settings_survive_the_way_to_another_process() -> None:
    settings = from_environment({"TRADEPLANE_STARTING_CASH": "12.34"})

    assert pickle.loads(pickle.dumps(settings)) == settings


def test_every_field_has_a_variable_and_is_documented() -> None:
    for field in Settings.__struct_fields__:
        assert from_environment({variable(field): str(getattr(Settings(), field))}) == Settings()
        assert f"{field}:" in (Settings.__doc__ or "")


def test_tokens_name_the_public_url_or_the_address_that_the_api_listens_on() -> None:
    assert issuer(Settings()) == "http://127.0.0.1:8000"
    assert issuer(Settings(public_url="https://venue.example/")) == "https://venue.example"
