"""The codes of problems, as the contract lists them."""

#: API.md: code to status.
CODES = {
    "invalid_request": 400,
    "invalid_cursor": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "not_uploaded": 409,
    "idempotency_conflict": 409,
    "in_progress": 409,
    "gone": 410,
    "too_large": 413,
    "unsupported_media": 415,
    "unprocessable": 422,
    "upgrade_required": 426,
    "rate_limited": 429,
    "internal": 500,
    "unavailable": 503,
    "deadline_exceeded": 504,
}
