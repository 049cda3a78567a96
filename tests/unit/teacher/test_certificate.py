"""TLS is always verified: a certificate that nobody vouches for ends the run, and no photo was sent."""

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.unit.teacher.fault_server import Act, FaultServer

from vibe_photos.errors import TeacherUnreachable
from vibe_photos.teacher.client import Client
from vibe_photos.teacher.endpoint import Endpoint
from vibe_photos.teacher.failures import AskFailed
from vibe_photos.teacher.server import Attempts, TeacherServer


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
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
            server = TeacherServer(
                client, "json_schema", slots=1, timeout_seconds=5, first_pause_seconds=0.01
            )
            with pytest.raises(TeacherUnreachable, match="certificate is not trusted"):
                await server.greet()
            with pytest.raises(AskFailed, match="certificate is not trusted"):
                await server.ask(0, "p", str.encode, Attempts(2))

    with FaultServer(lambda image_id, attempt: Act(), self_signed) as refused:
        asyncio.run(meet(refused.base_url))
    assert not refused.requests
