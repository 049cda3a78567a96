"""The remotes of docs/SHARING.md, as documented: real servers on loopback, credentials nowhere in git."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

EMBEDDINGS = "data/embeddings/embeddings.sqlite"


@pytest.fixture(scope="module")
def s3():
    """An S3 API server that refuses whoever has no key: its address, a key id and the key."""
    boto3 = pytest.importorskip("boto3", reason="needs moto, of the extra [dev]")
    pytest.importorskip("dvc_s3", reason="needs the extra [s3]")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "4"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(port)
        setup = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
        boto3.client("s3", endpoint_url=address, **setup).create_bucket(Bucket="vibe-photos")
        iam = boto3.client("iam", endpoint_url=address, **setup)
        iam.create_user(UserName="anna")
        key = iam.create_access_key(UserName="anna")["AccessKey"]
        policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
        iam.put_user_policy(UserName="anna", PolicyName="all", PolicyDocument=policy)
        yield address, key["AccessKeyId"], key["SecretAccessKey"]
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def sftp(tmp_path):
    """An SSH server that speaks SFTP and lets one key in: its port and the key's file."""
    asyncssh = pytest.importorskip("asyncssh", reason="needs the extra [ssh]")
    client = asyncssh.generate_private_key("ssh-ed25519")
    client.write_private_key(tmp_path / "id_ed25519")
    (tmp_path / "authorized").write_bytes(client.export_public_key())
    loop, started = asyncio.new_event_loop(), threading.Event()
    servers = []

    async def serve():
        servers.append(
            await asyncssh.listen(
                "127.0.0.1",
                0,
                server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
                authorized_client_keys=str(tmp_path / "authorized"),
                sftp_factory=True,
            )
        )
        started.set()
        await servers[0].wait_closed()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(20)
    yield servers[0].get_port(), tmp_path / "id_ed25519"
    loop.call_soon_threadsafe(servers[0].close)
    thread.join(20)
    loop.close()


def test_s3(owner, s3, documented, tmp_path):
    address, key_id, key = s3
    values = {"https://s3.example.org": address, "YOUR_KEY_ID": key_id, "YOUR_SECRET": key}
    _share(owner, documented("S3 and compatible servers"), values)
    _assert_no_secret(owner, key_id, key)
    colleague = owner.clone_to(tmp_path / "colleague")
    environment = {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": key}
    refused = colleague.run(
        "dvc", "pull", "embed", check=False, **environment | {"AWS_ACCESS_KEY_ID": "AKIAWRONG"}
    )
    assert refused.returncode != 0
    colleague.run("dvc", "pull", "embed", **environment)
    assert colleague.bytes(EMBEDDINGS) == owner.bytes(EMBEDDINGS)


def test_ssh(owner, sftp, documented, tmp_path):
    port, key_file = sftp
    folder = tmp_path / "srv"
    folder.mkdir()
    values = {
        "ssh://nas.example.org/srv/vibe-photos": f"ssh://127.0.0.1:{port}{folder}/vibe-photos",
        "~/.ssh/id_ed25519": str(key_file),
    }
    commands = documented("SSH")
    _share(owner, commands, values)
    _assert_no_secret(owner, str(key_file), "user = anna")
    assert len([file for file in folder.rglob("*") if file.is_file()]) > 30
    colleague = owner.clone_to(tmp_path / "colleague")
    for command in commands:
        if "--local" in command:
            colleague.shell(_fill_in(command, values))
    colleague.run("dvc", "pull", "embed")
    assert colleague.bytes(EMBEDDINGS) == owner.bytes(EMBEDDINGS)


def _share(owner, commands, values):
    """Run the documented commands, with `--yes` where a person would answer."""
    owner.run("dvc", "remote", "remove", "shared")
    for command in commands:
        filled = _fill_in(command, values)
        owner.shell(f"{filled} --yes" if filled == "vibe-photos share" else filled)
    assert owner.run("git", "status", "--porcelain").stdout == ""


def _fill_in(command, values):
    for placeholder, value in values.items():
        command = command.replace(placeholder, value)
    return command


def _assert_no_secret(owner, *secrets):
    """Neither the tracked files nor any commit hold one of them; only the file that git ignores does."""
    history = owner.run("git", "log", "--all", "--patch", "--", ".", ":!tests").stdout
    local = owner.bytes(".dvc/config.local").decode()
    for secret in secrets:
        assert secret not in history
        assert secret in local
    assert owner.run("git", "check-ignore", ".dvc/config.local").returncode == 0


def _wait_for(port):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the S3 server did not start")
