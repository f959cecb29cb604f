"""Personal data: what is found where, what is left alone, and what masking guarantees."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.llm.personal_data import KINDS, find, mask

# Made up, and put together here: a credential written out would be found by those who look for leaked ones.
KEY = "AK" + "IA" + "QX3Z7TPLW5NRB2MD"
WEB_TOKEN = ".".join(["ey" + "JhbGciOi" * 3, "ey" + "JzdWIiOi" * 3, "dBjftJeZ" * 4])
PRIVATE_KEY = "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA7v" * 8 + "\n-----END RSA " + "PRIVATE KEY-----"
REAL = {
    "email_address": ["ada.lovelace@analytical.engine.org", "löwe+news@büro.de"],
    "phone_number": ["+44 20 7946 0958", "(212) 736-5000", "415-775-7036", "415 775 7036", "1-415-775-7036"],
    "payment_card": ["4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005", "3782 822463 10005", "6011000990139424"],
    "iban": ["GB82 WEST 1234 5698 7654 32", "DE89370400440532013000"],
    "social_security_number": ["536-90-4399", "536 90 4399", "2 95 10 99 126 111 93"],
    "national_identifier": ["RCCMNL83S18D969H", "54362315K"],
    "ip_address": ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"],
    "api_key": [KEY, WEB_TOKEN, "ghp_" + "a1B2" * 9, "sk-" + "ant-" + "x1Y2" * 10],
    "private_key": [PRIVATE_KEY],
}
EXAMPLES = [pytest.param(kind, text, id=f"{kind}-{number}") for kind, texts in REAL.items() for number, text in enumerate(texts)]


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_it_is_found_whole_in_the_middle_of_a_sentence(kind, text):
    [found] = find(f"Please note {text}, thank you.")
    assert (found.kind, found.start, found.end) == (kind, 12, 12 + len(text))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("write to sally@example.com or root@localhost.localdomain.example", id="addresses reserved for examples"),
        pytest.param("report it to security@python.org, docs@python.org or python-list@python.org", id="mailboxes of a role"),
        pytest.param("@property and @dataclasses.dataclass decorate, a @ b multiplies", id="decorators"),
        pytest.param("import flask\n@app.route('/')\nsee below.\n@pytest.mark.slow", id="decorators below a word"),
        pytest.param("connect to 127.0.0.1, 192.168.1.10, 10.0.0.0/8, 192.0.2.7, fe80::1 or 2001:db8::1", id="private and documentation networks"),
        pytest.param("version 3.11.2.1 and section 1.2.3.4", id="versions that look like addresses"),
        pytest.param("sliced[20:30:2] at 2023:01:02, 12:30:45.123", id="slices and times"),
        pytest.param("sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", id="a digest"),
        pytest.param("0.1000000000000000055511151231257827 and 3.141592653589793", id="decimals"),
        pytest.param("0 1 1 2 3 5 8 13 21 34 55 89 144 233 377 610 987 1597", id="a row of figures"),
        pytest.param("4111 1111 1111 1112", id="a card number whose check digit is wrong"),
        pytest.param("GB82 WEST 1234 5698 7654 33", id="an IBAN whose check digits are wrong"),
        pytest.param("000-12-3456 and 666-12-3456", id="social security numbers that nobody has"),
        pytest.param("issue 12345678901234 of 20230115123000", id="long numbers and instants"),
        pytest.param("mysql://root:<password>@host, https://user:{password}@host, https://host:8080/a@b", id="placeholders in addresses"),
        pytest.param("f(x: int = 1, *args: str) -> dict[str, int]", id="code"),
    ],
)
def test_what_only_looks_like_it_is_left_alone(text):
    assert find(text) == []
    assert mask(text) == (text, 0)


def test_of_a_password_in_an_address_only_the_password_is_masked():
    address = "postgresql://app:" + "hunter22" + "@db.internal:5432/x"
    assert mask(address) == ("postgresql://app:[password in url removed]@db.internal:5432/x", 1)


def test_a_national_number_is_a_phone_number_after_a_word_that_says_so():
    assert [found.kind for found in find("Tel.: 030 23125555")] == ["phone_number"]
    assert find("In total 030 23125555") == []


def test_words_in_capitals_after_an_iban_are_not_part_of_it():
    assert mask("GB82 WEST 1234 5698 7654 32 PLEASE PAY") == ("[iban removed] PLEASE PAY", 1)


def test_several_are_masked_in_their_order():
    text, count = mask("ada@analytical.engine.org, 536-90-4399; ada@analytical.engine.org")
    assert (text, count) == ("[email address removed], [social security number removed]; [email address removed]", 3)


def test_every_kind_has_an_example_here():
    assert set(KINDS) - set(REAL) == {"password_in_url"}


PIECES = st.sampled_from([text for texts in REAL.values() for text in texts])


@given(st.lists(st.one_of(st.text(max_size=20), PIECES), max_size=6))
def test_findings_are_in_order_apart_and_gone_once_masked(parts):
    text = " ".join(parts)
    found = find(text)
    assert all(before.end <= after.start for before, after in pairwise(found))
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    masked, count = mask(text)
    assert count >= len(found)
    assert find(masked) == []


@pytest.mark.parametrize("part", ["1", "1 ", "a", "a@", "A1", "(", "+1", "://a:", "2001:", "-----BEGIN " + "PRIVATE KEY-----", "a.", "tel 1 "])
def test_a_text_made_to_be_slow_is_not(part):
    text = part * (100_000 // len(part))
    began = time.process_time()
    find(text)
    assert time.process_time() - began < 2
