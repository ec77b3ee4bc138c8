"""API.md in miniature, in memory: enough for the demo to be tried without the product.

It can be told to misbehave: to lose answers after the work was done, to be away, to forget or to miscount.
"""

import itertools
from collections import Counter
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

EPOCH = "2026-01-01T00:00:{:02d}.000Z"


class TinyProduct:
    def __init__(self):
        self.ids = itertools.count(10**17)
        self.users, self.tokens, self.videos, self.comments = {}, {}, {}, {}
        self.likes, self.follows, self.comment_likes = set(), set(), set()
        self.shares: Counter[str] = Counter()
        self.views: Counter[str] = Counter()
        self.base = ""
        self.journal, self.kept = [], {}
        #: Every n-th write loses its answer after it was done; 0 for none.
        self.lose_every = 0
        #: Every n-th request is answered by 503; 0 for none.
        self.away_every = 0
        self.forget_a_like = False
        self.hang = False
        self.seen: Counter[str] = Counter()

    def app(self):
        app = web.Application(middlewares=[self.weather], client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app

    @web.middleware
    async def weather(self, request, handler):
        self.seen["requests"] += 1
        if self.away_every and self.seen["requests"] % self.away_every == 0:
            return problem(503, "unavailable", executed=False, retry_after_s=0.001)
        write = request.method != "GET"
        self.seen["writes"] += write
        answer = await handler(request)
        if write and self.lose_every and self.seen["writes"] % self.lose_every == 0:
            request.transport.abort()
        return answer

    async def handle(self, request):
        path, method = request.path, request.method
        steps = path.strip("/").split("/")
        if path == "/readyz":
            return web.json_response({})
        if steps[0] == "auth":
            return await self.auth(request, steps[1])
        if steps[0] == "store":
            return await self.store(request, steps[1])
        if steps[0] == "media":
            return web.Response(status=206, body=b"0000ftyp00")
        if path == "/ws":
            return await self.socket(request)
        me = self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if me is None:
            return problem(401, "unauthenticated")
        if request.content_type == "multipart/form-data":
            body = await request.post()
        else:
            body = await request.json() if request.can_read_body else {}
        key = request.headers.get("Idempotency-Key")
        digest = str(body) if not hasattr(body, "getall") else "form"
        if method == "POST" and key:
            kept = self.kept.get((me, path, key))
            if kept is not None:
                if kept[0] != digest:
                    return problem(409, "idempotency_conflict")
                return web.json_response(kept[1], status=kept[2])
        answer = self.act(me, method, steps, body, request)
        if isinstance(answer, web.Response):
            return answer
        status = 200 if answer is not None else 204
        if method == "POST" and key:
            self.kept[me, path, key] = (digest, answer, status)
        return (
            web.json_response(answer, status=status) if status == 200 else web.Response(status=204)
        )

    async def auth(self, request, what):
        body = await request.json()
        if what == "refresh":
            name = body["refresh_token"]
        else:
            name = body["username"]
        known = {user["username"]: user_id for user_id, user in self.users.items()}
        if what == "register":
            if name in known:
                return problem(409, "conflict")
            user_id = str(next(self.ids))
            self.users[user_id] = {"user_id": user_id, "username": name}
        else:
            user_id = known[name]
        token = f"access-{next(self.ids)}"
        self.tokens[token] = user_id
        answer = {"access_token": token, "refresh_token": name, "user": {"user_id": user_id}}
        return web.json_response(answer, status=201)

    async def store(self, request, video_id):
        if request.method == "PUT":
            size = len(await request.read())
        else:
            size = len((await request.post())["file"].file.read())
        self.videos[video_id]["stored"] = size
        return web.Response(status=204)

    def act(self, me, method, steps, body, request):
        match method, *steps:
            case "POST", "ws", "ticket":
                ticket = f"ticket-{next(self.ids)}"
                self.tokens[ticket] = me
                return {"ticket": ticket}
            case "POST", "upload", "video" if "file" in body:
                video_id = self.new_video(me, body["caption"], len(body["file"].file.read()))
                self.videos[video_id]["status"] = "uploaded"
                return {"video_id": video_id, "status": "uploaded"}
            case "POST", "upload", "video":
                if body["size_bytes"] > 1 << 30:
                    return problem(413, "too_large")
                if not body["content_type"].startswith("video/"):
                    return problem(415, "unsupported_media")
                video_id = self.new_video(me, body["caption"], body["size_bytes"])
                url = f"http://{request.host}/store/{video_id}"
                way = {"method": body["upload_method"], "url": url}
                way |= {"fields": {"policy": "p"}, "file_field": "file"}
                return {"video_id": video_id, "status": "awaiting_upload", "upload": way}
            case "POST", "upload", "video", video_id, "complete":
                if "stored" not in self.videos[video_id]:
                    return problem(409, "not_uploaded")
                self.videos[video_id]["status"] = "uploaded"
                return {"video_id": video_id, "status": "uploaded"}
            case "GET", "upload", "video", video_id:
                return self.look(video_id)
            case "GET", "upload", "video":
                return listed(
                    {"video_id": each["video_id"]}
                    for each in self.videos.values()
                    if each["author"] == me and each["status"] != "ready"
                )
            case _, "user", who, "follow":
                if who == me:
                    return problem(422, "unprocessable")
                return self.tie(self.follows, method, me, who, "follow")
            case "GET", "user", who, "activity":
                if who != me:
                    return problem(403, "forbidden")
                mine = [each for owner, each in self.journal if owner == me]
                return listed(reversed(mine))
            case "GET", "user", "me", "likes":
                return listed({"video_id": v} for u, v in sorted(self.likes) if u == me)
            case "GET", "user", who, "following":
                return listed({"user_id": v} for u, v in sorted(self.follows) if u == who)
            case "GET", "user", who, "videos":
                return listed(self.card(v, me) for v in self.ready() if v["author"] == who)
            case "PATCH", "user", "me":
                return problem(400, "invalid_request")
            case "GET", "user", _:
                return self.profile(me)
            case "GET", "feed":
                return self.feed(me, request.query)
            case "POST", "views":
                return self.watch(body["views"])
            case _, "video", video_id, *_ if video_id not in self.videos:
                return problem(404, "not_found")
            case "PATCH", "video", _:
                return problem(403, "forbidden")
            case "GET", "video", video_id:
                return self.card(self.videos[video_id], me)
            case _, "video", video_id, "like":
                return self.tie(self.likes, method, me, video_id, "like")
            case "POST", "video", video_id, "share":
                self.shares[video_id] += 1
                self.note(me, "share", video_id=video_id)
                return {"shares": self.shares[video_id]}
            case "POST", "video", video_id, "comments":
                return self.say(me, video_id, body)
            case "GET", "video", video_id, "comments":
                return listed(self.comments_of(video_id, request.query.get("parent_id")))
            case _, "video", _, "comments", comment_id, "like":
                self.comment_likes.add((me, comment_id))
                return {"liked": True}
            case "DELETE", "video", _, "comments", comment_id:
                self.comments.pop(comment_id, None)
                return None
        return problem(404, "not_found")

    def new_video(self, author, caption, size):
        video_id = str(next(self.ids))
        self.videos[video_id] = {
            "video_id": video_id,
            "author": author,
            "caption": caption,
            "size": size,
            "status": "awaiting_upload",
        }
        return video_id

    def look(self, video_id):
        video = self.videos[video_id]
        if video["status"] == "uploaded" and not self.hang:
            good = video["size"] >= 10
            video["status"] = "ready" if good else "failed"
        error = {"code": "not_a_video", "title": "?"} if video["status"] == "failed" else None
        return {
            "video_id": video_id,
            "status": video["status"],
            "progress": 1.0,
            "renditions": [],
            "error": error,
            "upload": {"method": "PUT", "url": ""},
        }

    def tie(self, ties, method, me, what, kind):
        if method == "DELETE":
            ties.discard((me, what))
        elif (me, what) not in ties:
            if self.forget_a_like and kind == "like":
                self.forget_a_like = False
            else:
                ties.add((me, what))
            names = {"like": "video_id", "follow": "user_id"}
            self.note(me, kind, **{names[kind]: what})
        return {"liked": method == "POST", "follow": "following"}

    def note(self, me, kind, **what):
        at = EPOCH.format(min(59, len(self.journal)))
        self.journal.append((me, {"kind": kind, "at": at, **what}))

    def watch(self, views):
        for view in views:
            self.views[view["video_id"]] += 1
        return {"accepted": len(views), "dropped": 0}

    def say(self, me, video_id, body):
        if len(body["text"]) > 500:
            return problem(400, "invalid_request")
        comment_id = str(next(self.ids))
        self.comments[comment_id] = (video_id, body.get("parent_id"))
        self.note(me, "comment", comment_id=comment_id)
        return {"comment_id": comment_id}

    def comments_of(self, video_id, parent_id):
        for comment_id, place in self.comments.items():
            if place == (video_id, parent_id):
                yield {
                    "comment_id": comment_id,
                    "likes": sum(each == comment_id for _, each in self.comment_likes),
                    "replies": sum(each[1] == comment_id for each in self.comments.values()),
                }

    def profile(self, me):
        mine = {each["video_id"] for each in self.ready() if each["author"] == me}
        counts = {
            "followers": sum(v == me for _, v in self.follows),
            "following": sum(u == me for u, _ in self.follows),
            "videos": len(mine),
            "likes_received": sum(v in mine for _, v in self.likes),
        }
        return {"user_id": me, "counts": counts}

    def feed(self, me, query):
        if query.get("cursor") == "forged":
            return problem(400, "invalid_cursor")
        authors = {v for u, v in self.follows if u == me}
        shown = [self.card(each, me) for each in reversed(self.ready())]
        if query["tab"] == "following":
            shown = [each for each in shown if each["author"]["user_id"] in authors]
        return {**listed(shown), "req_id": "r"}

    def card(self, video, me):
        video_id = video["video_id"]
        return {
            "video_id": video_id,
            "author": {"user_id": video["author"]},
            "published_at": EPOCH.format(int(video_id) % 60),
            "media": {"base": self.base + "/media/"},
            "preload": {"file": "540.mp4", "range": "bytes=0-9"},
            "counts": {
                "likes": sum(v == video_id for _, v in self.likes),
                "comments": sum(v == video_id for v, _ in self.comments.values()),
                "shares": self.shares[video_id],
                "views": self.views[video_id],
            },
            "viewer": {"liked": (me, video_id) in self.likes},
        }

    def ready(self):
        return [each for each in self.videos.values() if each["status"] == "ready"]

    async def socket(self, request):
        socket = web.WebSocketResponse()
        token = request.query.get("ticket") or request.headers["Authorization"][7:]
        me = self.tokens[token]
        await socket.prepare(request)
        hello = await socket.receive_json()
        await socket.send_json({"op": "welcome", "seq": hello["resume"] or 0, "resumed": True})
        heard = 0
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            heard += 1
            frame = message.json()
            if self.lose_every and heard % 3 == 0:
                await socket.close(code=1012)
                break
            if frame["op"] == "like":
                answer = self.tie(self.likes, "POST", me, frame["video_id"], "like")
            else:
                answer = self.watch(frame["views"])
            await socket.send_json({"op": "ack", "id": frame["id"], **answer})
        return socket


def listed(items):
    return {"items": list(items), "next_cursor": None}


def problem(status, code, **facts):
    body = {"status": status, "code": code, "executed": False, **facts}
    return web.json_response(body, status=status, content_type="application/problem+json")


@asynccontextmanager
async def serving(product):
    runner = web.AppRunner(product.app(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    product.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield product.base
    finally:
        await runner.cleanup()
