"""The configuration of nginx as our edge: a text, made of settings and two secrets.

It serves one thing: objects below `v/` and `a/` of the media bucket, for addresses that `EdgeLinks` signed.

- Signature and expiry are verified here and left out of the cache's key, so that all viewers share one copy.
- Objects come in slices, each fetched by one request however many wait for it. They never change, hence
  nothing is ever asked again, and what has expired in the cache can only be an absence.
- The store learns nothing of a client: no header, no query, no body of it goes on, only the slice and the key
  by which the store knows the edge. Clients learn nothing of the store.
- Whatever is refused is a problem in the same words as the API's.

The text leaves out what whoever runs nginx says: user, pid, daemon, and where errors are logged.
"""

from gateway.errors import problem, problem_headers, status_of
from ops.edge.settings import EdgeSettings
from ops.engines.nginx import temporary_paths
from sharding.errors import (
    Forbidden,
    Gone,
    InvalidRequest,
    KinoraError,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    Unavailable,
)
from storage.minio.layout import edge_referer

#: Where nginx says that it lives, whatever the store does.
HEALTH_PATH = "/healthz"
#: How the cache's folders are cut from a key's hash; `ops.edge.purge` computes the same.
LEVELS = "1:2"

_METHODS = "GET, HEAD, OPTIONS"
_FOREVER = "public, max-age=31536000, immutable"

#: What nginx refuses with, and what is said then. A store that refuses us is one that is not there.
_REFUSALS: tuple[tuple[tuple[int, ...], KinoraError], ...] = (
    ((400, 413, 414), InvalidRequest()),
    ((403,), Forbidden("This address was not signed here.")),
    ((404,), NotFound()),
    ((405,), MethodNotAllowed()),
    ((410,), Gone("This address has expired; read the video again.")),
    ((429,), RateLimited("Too many connections from one address.")),
    ((500, 502, 503, 504), Unavailable("The media store does not answer.", executed=False)),
)

#: Of the store's answers, only what describes the object is passed on; nginx hides by name alone.
_HIDDEN = (
    "Accept-Ranges",
    "Cache-Control",
    "Content-Security-Policy",
    "Last-Modified",
    "Set-Cookie",
    "Strict-Transport-Security",
    "Vary",
    "X-Amz-Bucket-Region",
    "X-Amz-Checksum-Crc32",
    "X-Amz-Checksum-Crc64nvme",
    "X-Amz-Checksum-Type",
    "X-Amz-Expiration",
    "X-Amz-Id-2",
    "X-Amz-Replication-Status",
    "X-Amz-Request-Id",
    "X-Amz-Server-Side-Encryption",
    "X-Amz-Storage-Class",
    "X-Amz-Version-Id",
    "X-Content-Type-Options",
    "X-Ratelimit-Limit",
    "X-Ratelimit-Remaining",
    "X-Xss-Protection",
)


def nginx_config(
    settings: EdgeSettings,
    *,
    listen: str,
    origin: str,
    bucket: str,
    link_secret: str,
    edge_key: str,
) -> str:
    """The text: listening at `listen`, for `bucket` of the S3 server at `origin` (both host:port).

    `link_secret` is `EdgeLinks.secret`, `edge_key` what the bucket's policy names. Both are in the text.

    Raises:
        InvalidRequest: `edge_key` is none.
    """
    return _TEXT % {
        "base": settings.base_path.rstrip("/"),
        "bucket": bucket,
        "cache": settings.cache_folder,
        "cache_mib": settings.cache_mib,
        "client_s": settings.client_timeout_s,
        "connect_s": settings.origin_connect_timeout_s,
        "cors": _cors(""),
        "cors_always": _cors(" always"),
        "forever": _FOREVER,
        "free_mib": settings.cache_min_free_mib,
        "health": HEALTH_PATH,
        "hidden": "\n".join(f"      proxy_hide_header {name};" for name in _HIDDEN),
        "idle_h": settings.cache_idle_hours,
        "index_mib": settings.cache_index_mib,
        "keepalive_s": settings.keepalive_s,
        "levels": LEVELS,
        "listen": listen,
        "lock_s": settings.lock_timeout_s,
        "methods": _METHODS,
        "origin": origin,
        "origin_connections": settings.origin_connections,
        "origin_idle": settings.origin_idle_connections,
        "origin_s": settings.origin_timeout_s,
        "per_address": settings.connections_per_address,
        "referer": edge_referer(edge_key),
        "refusals": "\n".join(_refusal(statuses, error) for statuses, error in _REFUSALS),
        "secret": link_secret,
        "send_s": settings.send_timeout_s,
        "slice": settings.slice_bytes,
        "temporary": temporary_paths(),
        "worker_connections": settings.worker_connections,
        "workers": settings.workers,
    }


def _refusal(statuses: tuple[int, ...], error: KinoraError) -> str:
    status = status_of(error)
    body = problem(error, "$request_id").decode()
    headers = [*problem_headers(error), ("Cache-Control", "no-store")]
    if status == 405:
        headers.append(("Allow", _METHODS))
    added = "".join(f'\n      add_header {name} "{value}" always;' for name, value in headers)
    return f"""\
    error_page {" ".join(map(str, statuses))} ={status} @refused_{status};
    location @refused_{status} {{
      default_type application/problem+json;
      add_header X-Request-Id $request_id always;{added}
{_cors(" always")}
      return {status} '{body}';
    }}"""


def _cors(always: str) -> str:
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "Content-Length, Content-Range, ETag, X-Request-Id",
        "X-Content-Type-Options": "nosniff",
    }
    return "\n".join(
        f'      add_header {name} "{value}"{always};' for name, value in headers.items()
    )


_TEXT = """\
worker_processes %(workers)d;
events { worker_connections %(worker_connections)d; }
http {
  %(temporary)s
  access_log off;
  server_tokens off;
  sendfile on;
  aio threads;
  reset_timedout_connection on;
  limit_conn_zone $binary_remote_addr zone=clients:8m;
  limit_conn_status 429;
  proxy_cache_path %(cache)s levels=%(levels)s keys_zone=media:%(index_mib)dm max_size=%(cache_mib)dm
    min_free=%(free_mib)dm inactive=%(idle_h)dh use_temp_path=off;

  upstream origin {
    zone origin 64k;
    server %(origin)s max_conns=%(origin_connections)d max_fails=0;
    keepalive %(origin_idle)d;
  }

  server {
    listen %(listen)s;
    client_max_body_size 1k;
    client_header_timeout %(client_s)ds;
    client_body_timeout %(client_s)ds;
    send_timeout %(send_s)ds;
    keepalive_timeout %(keepalive_s)ds;
    limit_conn clients %(per_address)d;

%(refusals)s
    error_page 416 @beyond;
    location @beyond {
      add_header X-Request-Id $request_id always;
%(cors_always)s
      return 416 "";
    }

    location = %(health)s {
      default_type text/plain;
      return 200 "ok\\n";
    }

    location / { return 404; }

    location ~ "^%(base)s/(?<signature>[^/]+)/(?<expiry>[^/]+)/(?<scope>[va]/[0-9]+)/(?<object>[A-Za-z0-9._/-]+)$" {
      if ($request_method = OPTIONS) { return 204; }
      if ($request_method !~ "^(GET|HEAD)$") { return 405; }
      secure_link $signature,$expiry;
      secure_link_md5 "$secure_link_expires/$scope %(secret)s";
      if ($secure_link = "") { return 403; }
      if ($secure_link = "0") { return 410; }

      add_header Cache-Control "%(forever)s";
      add_header Access-Control-Allow-Methods "%(methods)s";
      add_header Access-Control-Allow-Headers "Range";
      add_header Access-Control-Max-Age 86400;
      add_header X-Cache $upstream_cache_status;
%(cors)s

      slice %(slice)d;
      proxy_cache media;
      proxy_cache_key $scope/$object$slice_range;
      proxy_cache_valid 200 206 365d;
      proxy_cache_valid 403 404 1s;
      proxy_cache_lock on;
      proxy_cache_lock_timeout %(lock_s)ds;
      proxy_cache_lock_age %(lock_s)ds;
      proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Buffering X-Accel-Charset
        X-Accel-Expires X-Accel-Limit-Rate X-Accel-Redirect;

      proxy_pass_request_headers off;
      proxy_pass_request_body off;
      proxy_http_version 1.1;
      proxy_set_header Host %(origin)s;
      proxy_set_header Connection "";
      proxy_set_header Range $slice_range;
      proxy_set_header Referer %(referer)s;
      proxy_connect_timeout %(connect_s)ds;
      proxy_read_timeout %(origin_s)ds;
      proxy_send_timeout %(origin_s)ds;
      proxy_next_upstream off;
      proxy_intercept_errors on;
%(hidden)s
      proxy_pass http://origin/%(bucket)s/$scope/$object;
    }
  }
}
"""
