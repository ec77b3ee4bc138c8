"""The calls of the API, one module a subject, and the table of them all."""

from gateway.route import Route
from gateway.routes import activity, auth, comments, feed, people, service, sockets, uploads, videos

#: Every documented call over HTTP, in the order of API.md.
ROUTES: tuple[Route, ...] = (
    *auth.ROUTES,
    *uploads.ROUTES,
    *feed.ROUTES,
    *videos.ROUTES,
    *comments.ROUTES,
    *people.ROUTES,
    *activity.ROUTES,
    *sockets.ROUTES,
    *service.ROUTES,
)
