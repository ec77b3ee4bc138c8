"""Events as an object store words them."""

from __future__ import annotations

from urllib.parse import quote

import msgspec


def event(*names):
    return msgspec.json.encode(
        {
            "Records": [
                {
                    "eventName": "s3:ObjectCreated:Post",
                    "s3": {"object": {"key": quote(name, safe=""), "size": 1}},
                }
                for name in names
            ]
        }
    )
