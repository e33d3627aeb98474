"""What counts as a secret, and what does not."""

import sysconfig
from pathlib import Path
from typing import Any

import pytest

from memory.secrets import find_secrets, holds_secret, redacted

# Joined here, so that this file holds none. All are made up.
RANDOM = "q8Zr2Lw0" + "Xk5Vt7Bn"
FOUND = [
    ("private key", "-----BEGIN RSA PRIVATE" + " KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----"),
    ("AWS access key", "AKIA" + "QWERTYUIOP123456"),
    ("GitHub token", "ghp_" + "a1B2c3D4e5" * 4),
    ("GitHub token", "github_pat_" + "a1B2c3D4e5" * 4),
    ("GitLab token", "glpat-" + "a1B2c3D4e5" * 2),
    ("Slack token", "xoxb-" + "1234567890-a1B2c3D4e5"),
    ("Google API key", "AIza" + "a1B2c3D4e5" * 3 + "a1B2c"),
    ("Stripe key", "sk_live_" + "a1B2c3D4e5" * 2),
    ("API key", "sk-proj-" + "a1B2c3D4e5" * 4),
    ("Hugging Face token", "hf_" + "aBcDeFgHiJ" * 3),
    ("npm token", "npm_" + "a1B2c3" * 6),
    ("PyPI token", "pypi-" + "a1B2c3D4e5" * 7),
    ("JSON web token", "eyJ" + "hbGciOiJIUzI1.eyJ" + "zdWIiOiIxMjM0.abcdefghijkl"),
    ("password or token", "DB_PASSWORD=" + "q8Zr2LmX0vT5nKc7"),
    ("password or token", 'password = "' + "q8Zr2LmX0vT5" + '"'),
    ("password or token", '{"api_key": "' + "q8Zr2LmX0vT5" + '"}'),
    ("SendGrid API Key", "SG." + "a1B2c3D4e5" * 2 + "f6." + "a1B2c3D4e5" * 4 + "f6g"),
    ("Telegram Bot Token", "110201543:" + "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawx"),
    ("Square OAuth Secret", "sq0csp-" + "a1B2c3D4e5" * 4 + "f6g"),
    ("Azure Storage Account access key", "AccountKey=" + "a1B2c3D4e5f" * 8),
    ("password in a URL", "postgres://admin:" + "q8Zr2LmX" + "@db/x"),
]


@pytest.mark.parametrize(("kind", "secret"), FOUND, ids=[kind for kind, _ in FOUND])
def test_a_secret_is_found_named_by_line_and_removed(kind: str, secret: str) -> None:
    text = f"first line\nsay {secret} again"
    assert find_secrets(text) == [f"{kind} in line 2"]
    clean = redacted(text)
    assert f"[{kind} removed]" in clean
    assert clean.startswith("first line\nsay ") and clean.endswith(" again")
    assert find_secrets(clean) == []


@pytest.mark.parametrize(
    "text",
    [
        "the password is asked for", 'password = "correct horse"', "token = next(tokens)",
        'api_key = "YOUR_API_KEY_1234"', "PASSWORD=${DB_PASSWORD_1}", 'secret = "example-12345678"',
        "risk-" + "a1B2c3D4e5" * 4, "http://localhost:8080/a@b",
        "sha256: " + "0123456789abcdef" * 4,
        "APACHE2LICENSED and eyJhYmMi.eyJ", 'token = "aaaaaaaaaaaaaaa1"',
        "def use_token(access_token: str) -> None: ...", "",
    ],
)  # fmt: skip
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert find_secrets(text) == [] and redacted(text) == text


AFTER = [
    "", " ", "\n", ".", ". Then", '."', "...", "…", ",", ", x", ";", ":", "!", "?", ")", "]", "}",
    ">", "'", '"', "`", "”", "’", "*", "|", "&x=1", "#top", "%3D", "\\n", "<br>", "。", " (mine)",
]  # fmt: skip


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize(
    "before", ["token=", "password: ", '"token=', "(api_key = ", "https://h/x?token="]
)
def test_a_bare_value_is_found_before_whatever_ends_it(before: str, after: str) -> None:
    assert redacted(f"{before}{RANDOM}{after}") == f"{before}[password or token removed]{after}"


@pytest.mark.parametrize("after", ["(", "(1)", "[0]", ".next()", ".name", "." + RANDOM, "-" * 200])
def test_a_name_in_code_is_no_bare_value(after: str) -> None:
    assert find_secrets(f"token = {RANDOM}{after}") == []


def test_the_standard_library_holds_no_secret() -> None:
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(folder.glob("*.py"))
    assert len(files) > 100
    assert [f.name for f in files if find_secrets(f.read_text("utf-8", "replace"))] == []


def test_two_secrets_are_both_removed() -> None:
    one, two = FOUND[1][1], FOUND[2][1]
    assert redacted(f"{one} and {two}") == "[AWS access key removed] and [GitHub token removed]"


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ({"a": ["b", {"password": RANDOM}]}, True),
        ({"tokens": [RANDOM]}, True),
        ({"a": RANDOM}, False),
        ({"text": f"token: {RANDOM}"}, True),
        ({"text": f"token={RANDOM}"}, True),
        ({"password": "see the vault, 3rd shelf"}, False),
        ({"password": None, "n": 1, "deep": [[]]}, False),
    ],
)
def test_secrets_are_found_in_fields_by_what_these_are_called(value: Any, holds: bool) -> None:
    assert holds_secret(value) is holds
