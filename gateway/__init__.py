"""The edge: turns HTTP and websockets into messages for actors, and answers and errors back.

It knows Sanic, tokens and bodies; it knows nothing of shards' stores or of what actors do. Everything that it
needs is handed to `gateway.app.create_app` as one `GatewayDeps`.
"""
