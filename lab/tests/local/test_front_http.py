from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

from buildkite_emulator.serving.server import Answer, AnswerLostError, HttpServer, Request
from local.waiting import eventually


def echo(request: Request) -> Answer:
    if request.target == "/lost":
        raise AnswerLostError
    if request.target == "/broken":
        raise ValueError("a fault of the application")
    body = f"{request.method} {request.target} {request.host}\n".encode() + request.body
    return Answer(200, body, {"x-kind": "echo"})


@pytest.fixture
def server() -> Iterator[HttpServer]:
    running = HttpServer(echo)
    running.start()
    yield running
    running.stop()


def connected(server: HttpServer) -> socket.socket:
    return socket.create_connection(server.address, timeout=30)


def received(connection: socket.socket) -> bytes:
    return connection.recv(65536)


def test_several_requests_share_one_connection(server: HttpServer) -> None:
    connection = http.client.HTTPConnection(*server.address, timeout=30)
    for number in range(3):
        connection.request("POST", f"/{number}", body=b"hello")
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.read().endswith(b"hello")
        assert answer.getheader("connection") == "keep-alive"


def test_an_answer_is_one_write_so_that_no_client_waits_for_its_second_half(
    server: HttpServer,
) -> None:
    with connected(server) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok")
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"ok")


def test_expect_100_continue_is_answered_before_the_upload(server: HttpServer) -> None:
    with connected(server) as connection:
        connection.sendall(
            b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        assert received(connection) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"up")
        assert received(connection).endswith(b"up")


def test_a_chunked_body_is_joined(server: HttpServer) -> None:
    with connected(server) as connection:
        connection.sendall(
            b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n"
        )
        assert received(connection).endswith(b"abcde")


def test_a_head_answer_has_the_length_but_no_body(server: HttpServer) -> None:
    with connected(server) as connection:
        connection.sendall(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = received(connection)
    assert b"content-length: 9\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_connection_is_closed_at_the_clients_request(server: HttpServer) -> None:
    with connected(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert b"connection: close" in received(connection)
        assert received(connection) == b""


@pytest.mark.parametrize(
    "wire",
    [
        b"nonsense\r\n\r\n",
        b"GET / SPDY/3\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    ],
)
def test_invalid_http_is_refused_and_the_connection_closed(server: HttpServer, wire: bytes) -> None:
    with connected(server) as connection:
        connection.sendall(wire)
        assert received(connection).startswith(b"HTTP/1.1 400 ")


def test_a_lost_answer_closes_the_connection_without_data(server: HttpServer) -> None:
    with connected(server) as connection:
        connection.sendall(b"GET /lost HTTP/1.1\r\nHost: h\r\n\r\n")
        assert received(connection) == b""


def test_an_exception_of_an_application_is_an_error_for_its_client_only(server: HttpServer) -> None:
    with connected(server) as connection:
        connection.sendall(b"GET /broken HTTP/1.1\r\nHost: h\r\n\r\n")
        assert received(connection).startswith(b"HTTP/1.1 500 ")
        connection.sendall(b"GET /fine HTTP/1.1\r\nHost: h\r\n\r\n")
        assert received(connection).startswith(b"HTTP/1.1 200 ")


def test_an_adopted_socket_is_served_until_it_is_closed(server: HttpServer) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    server.adopt(listening)

    def answered() -> bool:
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            return received(connection).startswith(b"HTTP/1.1 200 ")

    assert eventually(answered)
    listening.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(address, timeout=30)
    another = socket.create_server(("127.0.0.1", 0))  # may get the closed socket's descriptor
    address = another.getsockname()
    server.adopt(another)
    assert eventually(answered)
    another.close()


def test_a_unix_socket_can_be_adopted_too(server: HttpServer, tmp_path: object) -> None:
    path = f"{tmp_path}/aws.sock"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    server.adopt(listening)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(path)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert received(connection).startswith(b"HTTP/1.1 200 ")
    listening.close()


def test_stopping_ends_the_connections_that_are_open() -> None:
    server = HttpServer(echo)
    server.start()
    with connected(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert received(connection)
        server.stop()
        assert received(connection) == b""
    eventually(lambda: "http-connection" not in {t.name for t in threading.enumerate()})
