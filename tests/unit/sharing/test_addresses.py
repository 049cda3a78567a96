"""Addresses are shown without what opens them."""

import pytest

from vibe_photos.sharing.addresses import has_credentials, hide_credentials, hide_credentials_in

SECRET = [
    ("https://ghp_secret@github.com/anna/photos.git", "https://***@github.com/anna/photos.git"),
    ("https://anna:pw@host/x?y=1", "https://***@host/x?y=***"),
    ("https://host/photos.git?token=hunter2", "https://host/photos.git?token=***"),
    ("https://host/x?a=1&access_token=hunter2#top", "https://host/x?a=***&access_token=***#***"),
    (
        "https://store.blob.core.windows.net/c?sv=1&sig=hunter2",
        "https://store.blob.core.windows.net/c?sv=***&sig=***",
    ),
    ("s3://bucket/store?X-Amz-Signature=hunter2", "s3://bucket/store?X-Amz-Signature=***"),
    ("ssh://anna:pw@host:22/srv", "ssh://***@host:22/srv"),
    ("webdavs://anna:pw@host/dav", "webdavs://***@host/dav"),
    ("oss://key:pw@bucket/store", "oss://***@bucket/store"),
    ("HTTPS://anna:p@ss@host/", "HTTPS://***@host/"),
    ("https://anna:p#w/o?rd@host/x", "https://***@host/x"),
    ("ftp://anna:pw@[::1]:21/x", "ftp://***@[::1]:21/x"),
    ("anna:pw@host:srv/photos.git", "***@host:srv/photos.git"),
]
HARMLESS = [
    "ssh://anna@host/srv",
    "ssh://[::1]:22/srv",
    "git@github.com:anna/photos.git",
    "https://github.com/anna/photos.git",
    "https://host:8443/anna@home/x",
    "s3://bucket/store@home",
    "/mnt/nas/vibe photos",
    "C:\\Users\\anna@home\\store",
    "../store?",
]


@pytest.mark.parametrize(("address", "shown"), SECRET)
def test_credentials_are_hidden(address, shown):
    assert has_credentials(address)
    assert hide_credentials(address) == shown
    assert not has_credentials(shown.replace("***@", "").replace("=***", "="))


@pytest.mark.parametrize("address", HARMLESS)
def test_an_address_without_credentials_stays(address):
    assert not has_credentials(address)
    assert hide_credentials(address) == address


def test_a_query_without_secrets_is_hidden_but_no_reason_to_stop():
    assert hide_credentials("https://host/x?region=eu&raw") == "https://host/x?region=***&***"
    assert not has_credentials("https://host/x?region=eu")


def test_addresses_in_a_message():
    message = "cannot reach 'https://anna:pw@host/x?token=t' or ssh://b:pw@host, try again"
    assert hide_credentials_in(message) == (
        "cannot reach 'https://***@host/x?token=***' or ssh://***@host, try again"
    )
