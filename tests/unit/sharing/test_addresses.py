"""Addresses are shown without what opens them."""

import pytest

from vibe_photos.sharing.addresses import hide_credentials


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ghp_secret@github.com/anna/photos.git", "https://***@github.com/anna/photos.git"),
        ("https://anna:pw@host/x?y=1", "https://***@host/x?y=1"),
        ("ssh://anna:pw@host:22/srv", "ssh://***@host:22/srv"),
        ("ssh://anna@host/srv", "ssh://anna@host/srv"),
        ("git@github.com:anna/photos.git", "git@github.com:anna/photos.git"),
        ("s3://bucket/store", "s3://bucket/store"),
        ("/mnt/nas/vibe photos", "/mnt/nas/vibe photos"),
    ],
)
def test_credentials_are_hidden(address, shown):
    assert hide_credentials(address) == shown
