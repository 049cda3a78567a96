"""TLS is always verified: a certificate that nobody vouches for ends the run, and no photo was sent."""

import asyncio
import base64
import datetime
import ipaddress
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.unit.annotate.fault_server import Act, FaultServer

from vibe_photos.annotate.client import Client, Endpoint, NoConnection
from vibe_photos.annotate.server import Attempts, TeacherServer
from vibe_photos.annotate.state import ServerState
from vibe_photos.errors import TeacherUnreachable

MEGABYTE = b"x" * 1_000_000


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    """The context of a server for 127.0.0.1 and teacher.invalid; its certificate lies in `server.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("teacher.invalid")]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_a_certificate_that_is_not_trusted_is_named_and_nothing_is_sent(self_signed: ssl.SSLContext) -> None:
    async def meet(base_url: str) -> None:
        async with Client(Endpoint(base_url), 1) as client:
            state = ServerState(1, wait_seconds=0.1, first_pause_seconds=0.01)
            server = TeacherServer(client, "m", "json_schema", state, timeout_seconds=5)
            with pytest.raises(TeacherUnreachable, match="certificate is not trusted"):
                await server.check_reachable()
            with pytest.raises(TeacherUnreachable, match="certificate is not trusted"):
                await server.ask(0, "p", str.encode, Attempts(2))

    with FaultServer(lambda image_id, attempt: Act(), self_signed) as refused:
        asyncio.run(meet(refused.base_url))
    assert not refused.requests


@pytest.fixture
def trusted(self_signed: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    return self_signed


def test_a_server_that_is_trusted_gets_the_photo_whole(trusted: ssl.SSLContext) -> None:
    async def meet(base_url: str) -> None:
        async with Client(Endpoint(base_url), 1) as client:
            for _ in range(2):
                assert (await client.complete_chat(0, "p", MEGABYTE, 20)).status == 200

    with FaultServer(lambda image_id, attempt: Act(body=MEGABYTE), trusted) as server:
        asyncio.run(meet(server.base_url))
    assert [request.body == MEGABYTE for request in server.requests] == [True, True]
    assert server.most_open_connections == 1


@dataclass
class TunnelProxy:
    """An HTTP proxy that connects every tunnel to one port of this machine."""

    to_port: int
    heads: list[str] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    breaks_first: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        if self.breaks_first and len(self.heads) == 1:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            writer.transport.abort()
            return
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pipe(reader, behind_writer), _pipe(behind_reader, writer))
        self.ended.set()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(65536):
            writer.write(block)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def test_through_a_proxy_the_photo_stays_encrypted(
    trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def meet(port: int) -> TunnelProxy:
        proxy = TunnelProxy(port)
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        async with server:
            proxy_port = server.sockets[0].getsockname()[1]
            monkeypatch.setenv("https_proxy", f"http://ann:pass%20word@127.0.0.1:{proxy_port}")
            async with Client(Endpoint(f"https://teacher.invalid:{port}/v1", "canary-key-5417"), 1) as client:
                assert (await client.complete_chat(0, "p", MEGABYTE, 20)).status == 200
            await proxy.ended.wait()
        return proxy

    with FaultServer(lambda image_id, attempt: Act(), trusted) as server:
        proxy = asyncio.run(meet(server.port))
        (head,) = proxy.heads
        assert head.startswith(f"CONNECT teacher.invalid:{server.port} HTTP/1.1")
        assert f"Proxy-Authorization: Basic {base64.b64encode(b'ann:pass word').decode()}" in head
        assert "canary" not in head
    assert [request.body == MEGABYTE for request in server.requests] == [True]


def test_a_tunnel_that_breaks_while_tls_is_agreed_on_costs_that_request_only(
    trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def meet(port: int) -> None:
        proxy = TunnelProxy(port, breaks_first=True)
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        async with server:
            proxy_port = server.sockets[0].getsockname()[1]
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy_port}")
            async with Client(Endpoint(f"https://teacher.invalid:{port}/v1"), 1) as client:
                with pytest.raises(NoConnection):
                    await client.complete_chat(0, "p", MEGABYTE, 5)
                for _ in range(3):
                    assert (await client.complete_chat(0, "p", MEGABYTE, 5)).status == 200

    with FaultServer(lambda image_id, attempt: Act(), trusted) as server:
        asyncio.run(meet(server.port))
    assert len(server.requests) == 3
