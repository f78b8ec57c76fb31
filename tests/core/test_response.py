"""What a party may answer to plain HTTP."""

import pytest

from partysync_widget.core.response import MOST_BYTES, Response


@pytest.mark.parametrize(
    ("body", "status", "raw", "kind"),
    [
        (None, 204, b"", None),
        ("Grüße", 200, "Grüße".encode(), "text/plain; charset=utf-8"),
        (b"\0", 200, b"\0", "application/octet-stream"),
        (memoryview(b"ab"), 200, b"ab", "application/octet-stream"),
        ({"a": [1]}, 200, b'{"a":[1]}', "application/json"),
    ],
)
def test_a_body_says_what_it_is(body, status, raw, kind):
    made = Response.of(body)

    assert (made.status, made.body, made.headers.get("Content-Type")) == (status, raw, kind)


def test_a_response_is_one_already():
    made = Response("no such list", 404, {"content-type": "text/html", "X-Reason": "none"})

    assert Response.of(made) is made
    assert made.headers == {"content-type": "text/html", "X-Reason": "none"}


@pytest.mark.parametrize("status", [199, 600, 0, True, "200", 200.0])
def test_a_status_is_a_number_that_says_how_it_went(status):
    with pytest.raises(ValueError, match=f"200 to 599, not {status!r}"):
        Response("", status)


@pytest.mark.parametrize("headers", [{"X": "a\r\nSet-Cookie: b"}, {"X\n": "a"}, {"X": "\0"}])
def test_a_header_is_one_line(headers):
    with pytest.raises(ValueError, match="line break"):
        Response("", headers=headers)


def test_a_body_has_an_end():
    with pytest.raises(ValueError, match="at most are sent"):
        Response(bytes(MOST_BYTES + 1))


def test_what_json_has_not_is_not_sent():
    with pytest.raises(TypeError):
        Response(object())
