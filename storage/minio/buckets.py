"""Our buckets as they must be: there, closed, tidied by the store itself, and telling of uploads.

Run before the fleet serves, as often as one likes; what is right already is set again to the same. Not every
S3 server knows everything that is set here. Without the policy the edge could read nothing, so that is an
error; without lifecycles leftovers stay, and without events the sweep finds uploads a few seconds later, so
those are told.

Reading media is allowed to whoever names the edge's key in the header Referer, over our own network: nginx can
send a header but not sign a request, and a key holds where an address range would not, whoever shares it.
There are servers that take such a policy and overlook its condition, and so open the bucket to everybody.
Hence it is tried: a stranger must be refused, and the edge must not.
"""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Literal

import msgspec
from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.error import InvalidResponseError, S3Error, ServerError
from minio.lifecycleconfig import (
    AbortIncompleteMultipartUpload,
    Expiration,
    LifecycleConfig,
    Rule,
)
from minio.notificationconfig import NotificationConfig, PrefixFilterRule, QueueConfig

from sharding.errors import StorageUnavailable
from storage.minio.calls import Calls
from storage.minio.errors import is_unsupported
from storage.minio.layout import SERVED, UPLOADS, Layout, edge_referer
from storage.minio.settings import MinioSettings

#: Of no video: ids begin at 1.
_PROBE = "v/0/0/probe"

#: What a server may lack.
Optional = Literal["lifecycle of uploads", "lifecycle of parts", "events"]


async def ensure_buckets(
    client: Minio, stranger: Minio, calls: Calls, settings: MinioSettings, *, edge_key: str
) -> tuple[Optional, ...]:
    """Make our buckets what they must be; what this server does not know of it. Idempotent.

    `stranger` asks the same server without keys.

    Raises:
        StorageUnavailable: the store does not answer, we are not its owner, or it does not keep media from
            strangers, in which case the bucket is closed to all.
    """
    layout = Layout.of(settings.bucket_prefix)
    incomplete = AbortIncompleteMultipartUpload(settings.incomplete_days)
    expiration = Expiration(days=settings.quarantine_days)
    leftovers = _lifecycle(expiration=expiration, abort_incomplete_multipart_upload=incomplete)
    parts = _lifecycle(abort_incomplete_multipart_upload=incomplete)
    readable = _readable_by_edge(layout.media, None if settings.media_open else edge_key)
    optional: list[tuple[Optional, Callable[[], Any]]] = [
        (
            "lifecycle of uploads",
            lambda: client.set_bucket_lifecycle(layout.quarantine, leftovers),
        ),
        ("lifecycle of uploads", lambda: client.set_bucket_lifecycle(layout.sources, leftovers)),
        ("lifecycle of parts", lambda: client.set_bucket_lifecycle(layout.media, parts)),
    ]
    if settings.notify_arn:
        events = _events(settings.notify_arn)
        optional.append(
            ("events", lambda: client.set_bucket_notification(layout.quarantine, events))
        )

    def call() -> tuple[Optional, ...]:
        for bucket in (layout.quarantine, layout.sources, layout.media):
            _make(client, bucket)
        client.set_bucket_policy(layout.media, readable)
        if not settings.media_open:
            _try_policy(client, stranger, layout.media, edge_key)
        lacking = (what for what, set_up in optional if not _known(set_up))
        return tuple(dict.fromkeys(lacking))

    return await calls.run(call)


def _make(client: Minio, bucket: str) -> None:
    try:
        client.make_bucket(bucket)
    except S3Error as error:
        if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
        # Somebody else's of that name must not pass for ours.
        if not client.bucket_exists(bucket):
            raise


def _known(set_up: Callable[[], Any]) -> bool:
    """Whether this server knows what it is told to do."""
    try:
        set_up()
    except (S3Error, ServerError, InvalidResponseError) as error:
        if is_unsupported(error):
            return False
        raise
    return True


def _try_policy(client: Minio, stranger: Minio, bucket: str, edge_key: str) -> None:
    """Prove that the edge may read what others may not.

    Raises:
        StorageUnavailable: it is not so, or not yet.
    """
    client.put_object(bucket, _PROBE, BytesIO(b"probe"), 5)
    try:
        if _lets_in(stranger, bucket, {}):
            client.delete_bucket_policy(bucket)
            raise StorageUnavailable(
                "The object store overlooks the condition of a bucket's policy; media are closed."
            )
        if not _lets_in(stranger, bucket, {"Referer": edge_referer(edge_key)}):
            raise StorageUnavailable("The object store does not let the edge read media yet.")
    finally:
        client.remove_object(bucket, _PROBE)


def _lets_in(stranger: Minio, bucket: str, headers: Mapping[str, str]) -> bool:
    try:
        stranger.stat_object(bucket, _PROBE, extra_headers={**headers})
    except S3Error as error:
        if error.code == "AccessDenied":
            return False
        raise
    return True


def _readable_by_edge(bucket: str, edge_key: str | None) -> str:
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/{first}*" for first in SERVED],
    }
    if edge_key is not None:
        statement["Condition"] = {"StringEquals": {"aws:Referer": [edge_referer(edge_key)]}}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return msgspec.json.encode(policy).decode()


def _lifecycle(**actions: Any) -> LifecycleConfig:
    rule = Rule(ENABLED, rule_filter=Filter(prefix=""), rule_id="leftovers", **actions)
    return LifecycleConfig([rule])


def _events(arn: str) -> NotificationConfig:
    created = QueueConfig(
        queue=arn,
        events=["s3:ObjectCreated:*"],
        config_id="stored",
        prefix_filter_rule=PrefixFilterRule(UPLOADS),
    )
    return NotificationConfig(queue_config_list=[created])
