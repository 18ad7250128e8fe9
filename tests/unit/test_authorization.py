"""Cedar's decisions, the policies that an installation comes with, and bad policy files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.authorization import authorizer as module
from policies.authorization.authorizer import Authorizer, compile_policies, packaged_authorizer
from policies.authorization.document import folder_policies, packaged_policies
from policies.authorization.statements import statements
from tradeplane.auth.answers import PoliciesFound
from tradeplane.auth.principal import HOME_TENANT, ROLES, Principal
from tradeplane.auth.scopes import ACTIONS
from tradeplane.errors import InvalidPolicy, NotAllowed

PERMITTED = {
    "trader": {"market:read", "account:read", "account:trade", "self:manage", "audit:prove"},
    "researcher": {"market:read", "self:manage"},
    "operator": {"market:read", "account:read", "self:manage", "encryption:manage"},
    "auditor": {
        "market:read",
        "account:read",
        "self:manage",
        "audit:prove",
        "audit:read",
        "audit:verify",
    },
    "admin": set(ACTIONS) - {"platform:manage"},
}
EVERYBODY = "permit (principal, action, resource);"
PACKAGED = packaged_authorizer()


def holder(role: str = "trader", tenant: str = "firm", **more) -> Principal:
    return Principal("PK1", tenant, "account", role=role, **more)


@given(
    role=st.sampled_from([*ROLES, "root", ""]),
    action=st.sampled_from([*ACTIONS, "market:write", ""]),
    tenant=st.sampled_from(["firm", HOME_TENANT, "Default", "default ", ""]),
    kind=st.sampled_from(["user", "key", "client"]),
    scopes=st.lists(st.sampled_from(ACTIONS), max_size=3, unique=True).map(tuple),
    subject=st.text(max_size=5),
)
def test_a_role_may_do_what_the_table_says_and_nothing_else(
    *, role, action, tenant, kind, scopes, subject
):
    expected = action in PERMITTED.get(role, set())
    if role == "admin" and tenant == HOME_TENANT:
        expected = action in ACTIONS
    if scopes:
        expected = expected and action in scopes

    who = holder(role, tenant, kind=kind, scopes=scopes, subject_id=subject)

    assert PACKAGED.permits(who, action) is expected
    assert PACKAGED.permits(who, action) is expected


def test_a_refusal_names_the_action_and_the_role():
    with pytest.raises(NotAllowed, match="account:trade is not permitted to the role auditor"):
        PACKAGED.authorize(holder("auditor"), "account:trade")


def test_a_refusal_by_scope_names_the_action():
    with pytest.raises(NotAllowed, match="not scoped for account:trade"):
        PACKAGED.authorize(holder("admin", scopes=("market:read",)), "account:trade")


def test_no_policy_can_lift_a_credentials_scopes():
    everything = compile_policies((("all.cedar", EVERYBODY),))

    assert everything.permits(holder("researcher"), "account:trade")
    assert not everything.permits(holder("researcher", scopes=("market:read",)), "account:trade")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("// first\n\npermit (principal, actoin, resource);", 3, "actoin"),
        (
            f"{EVERYBODY}\n/" + '/ "\npermit (\n principal,\n action,\n resource\n)'
            ' when { principal.knd == "x" };',
            7,
            "knd",
        ),
        ('permit (\n principal,\n action == Action::"market:write",\n resource);', 3, "unrecogn"),
        (f"{EVERYBODY}\n\nforbid (principal", 3, "unexpected end"),
        ("permit (principal == ?principal, action, resource);", 1, "template"),
        (f'@id("a")\n{EVERYBODY}\n@id("a")\n{EVERYBODY}', 3, "taken by new.cedar:1"),
        (f"{EVERYBODY}\npermit (principal, action, resource) when {{ 1 }};", 2, "Bool"),
        ('permit (principal in Rule::"admin", action, resource);', 1, "Rule"),
        ('\n\n"', 3, "invalid token"),
        ("\x00", 1, ""),
    ],
)
def test_a_bad_policy_is_refused_with_file_and_line_and_the_old_ones_stay(text, line, says):
    authorizer = packaged_authorizer()
    good = {"good.cedar": EVERYBODY}

    with pytest.raises(InvalidPolicy) as refused:
        authorizer.check({**good, "new.cedar": text})
    with pytest.raises(InvalidPolicy):
        authorizer.install(PoliciesFound(1, {**good, "new.cedar": text}))

    assert refused.value.message.startswith(f"new.cedar:{line}: ")
    assert says in refused.value.message
    assert refused.value.details == {"file": "new.cedar", "line": str(line)}
    assert authorizer.version == 0
    assert not authorizer.permits(holder("researcher"), "account:trade")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "// nothing",
        'permit (principal, action, resource) when { principal.kind == "key" };',
        f'{EVERYBODY}\nforbid (principal in Role::"admin", action, resource);',
    ],
)
def test_policies_that_lock_everybody_out_are_refused(text):
    with pytest.raises(InvalidPolicy):
        compile_policies((("new.cedar", text),))


def test_policies_are_replaced_and_brought_back_at_run_time():
    authorizer = packaged_authorizer()
    who = holder("researcher")
    assert not authorizer.permits(who, "account:read")

    authorizer.install(PoliciesFound(1, {"all.cedar": EVERYBODY}))
    assert (authorizer.version, authorizer.permits(who, "account:read")) == (1, True)

    authorizer.install(PoliciesFound(2, {}))
    assert (authorizer.version, authorizer.permits(who, "account:read")) == (2, False)


def test_a_policy_can_name_one_subject():
    forbid = (
        'forbid (principal == Subject::"key:PK1", action == Action::"account:trade", resource);'
    )
    authorizer = compile_policies((("all.cedar", EVERYBODY), ("stop.cedar", forbid)))

    assert not authorizer.permits(holder(), "account:trade")
    assert authorizer.permits(holder(), "account:read")
    assert authorizer.permits(holder(subject_id="PK2"), "account:trade")


def test_decisions_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_DECISIONS_MAX", 8)
    authorizer = Authorizer(packaged_policies())
    for number in range(100):
        authorizer.permits(holder(subject_id=str(number)), "market:read")

    assert authorizer._decide.cache_info().currsize == 8


def test_a_folder_gives_the_same_policies_as_the_package(tmp_path: Path):
    for name, text in packaged_policies():
        (tmp_path / name).write_text(text)

    assert folder_policies(tmp_path) == packaged_policies()


def test_an_empty_folder_a_huge_file_and_foreign_bytes_are_refused(tmp_path: Path):
    with pytest.raises(InvalidPolicy, match=r"0 \.cedar files"):
        folder_policies(tmp_path)
    path = tmp_path / "a.cedar"
    path.write_bytes(b"//\n\xff")
    with pytest.raises(InvalidPolicy, match=r"a\.cedar:2: it is not UTF-8"):
        folder_policies(tmp_path)
    path.write_bytes(b"/" * 65_537)
    with pytest.raises(InvalidPolicy, match="65537 bytes"):
        folder_policies(tmp_path)


@given(
    st.lists(st.sampled_from(['"a;b"', "x", "//;\n", ";", "\n", "/", " ", '"\\";"']), max_size=20)
)
def test_statements_keep_their_lines_whatever_stands_between_them(parts):
    text = "".join(parts)
    lines = text.split("\n")

    for statement in statements(text):
        assert statement.text[0] == lines[statement.line - 1].lstrip()[:1] or (
            statement.text[0] in lines[statement.line - 1]
        )
        assert statement.text.strip()
