"""Context managers of published packages that hold a scope between their enter and their exit."""

from __future__ import annotations

from collections.abc import Mapping

from scopelint.model import Record


class LibraryCarrier(Record, frozen=True):
    """A context manager of a published package that holds a scope while it is open.

    ``package`` is the distribution that provides it; ``held`` is the library of the scope
    it holds (``"anyio"``, ``"trio"`` or ``"asyncio"``); ``releases`` is the version specifier of
    the releases in which the path leads to such a context manager, empty for all of them.
    """

    package: str
    held: str
    releases: str = ""


# One line per public path: the key is what a reference in a user's file resolves to, of a method
# that of its class and its name.
CARRIERS: Mapping[str, LibraryCarrier] = {
    # apscheduler: a task group for the services, on an exit stack.
    "apscheduler.AsyncScheduler": LibraryCarrier("apscheduler", "anyio", ">=4.0.0a3"),
    "apscheduler.schedulers.async_.AsyncScheduler": LibraryCarrier(
        "apscheduler", "anyio", ">=4.0.0a1,<4.0.0a3"
    ),
    # asgi-lifespan: a nursery on trio; a plain task on asyncio.
    "asgi_lifespan.LifespanManager": LibraryCarrier("asgi-lifespan", "trio"),
    # httpx-ws: a task group for the background tasks of the session.
    "httpx_ws.AsyncWebSocketSession": LibraryCarrier("httpx-ws", "anyio"),
    "httpx_ws.aconnect_ws": LibraryCarrier("httpx-ws", "anyio"),
    # mcp transports: a task group around the `yield`.
    "mcp.stdio_client": LibraryCarrier("mcp", "anyio"),
    "mcp.client.client.stdio_client": LibraryCarrier("mcp", "anyio", ">=2.3"),
    "mcp.client.stdio.stdio_client": LibraryCarrier("mcp", "anyio"),
    "mcp.client.session_group.sse_client": LibraryCarrier("mcp", "anyio", ">=1.9"),
    "mcp.client.sse.sse_client": LibraryCarrier("mcp", "anyio"),
    "mcp.client.session_group.streamablehttp_client": LibraryCarrier("mcp", "anyio", ">=1.9,<1.24"),
    "mcp.client.streamable_http.streamablehttp_client": LibraryCarrier("mcp", "anyio", ">=1.8,<2"),
    "mcp.client.client.streamable_http_client": LibraryCarrier("mcp", "anyio", ">=2"),
    "mcp.client.session_group.streamable_http_client": LibraryCarrier("mcp", "anyio", ">=1.24"),
    "mcp.client.streamable_http.streamable_http_client": LibraryCarrier("mcp", "anyio", ">=1.24"),
    "mcp.client.websocket.websocket_client": LibraryCarrier("mcp", "anyio", ">=1.4,<2"),
    "mcp.stdio_server": LibraryCarrier("mcp", "anyio"),
    "mcp.server.stdio.stdio_server": LibraryCarrier("mcp", "anyio"),
    "mcp.server.stdio_server": LibraryCarrier("mcp", "anyio", "<1.2"),
    "mcp.server.lowlevel.server.stdio_server": LibraryCarrier("mcp", "anyio", ">=1.2,<1.14"),
    "mcp.server.fastmcp.server.stdio_server": LibraryCarrier("mcp", "anyio", ">=1.2,<2"),
    "mcp.server.mcpserver.server.stdio_server": LibraryCarrier("mcp", "anyio", ">=2"),
    "mcp.server.websocket.websocket_server": LibraryCarrier("mcp", "anyio", "<2"),
    # mcp sessions: `BaseSession` enters a task group; from 2.0 only `ClientSession` does.
    "mcp.ClientSession": LibraryCarrier("mcp", "anyio"),
    "mcp.client.ClientSession": LibraryCarrier("mcp", "anyio", ">=2"),
    "mcp.client.client.ClientSession": LibraryCarrier("mcp", "anyio", ">=2"),
    "mcp.client.session.ClientSession": LibraryCarrier("mcp", "anyio"),
    "mcp.shared.memory.ClientSession": LibraryCarrier("mcp", "anyio", "<2"),
    "mcp.ServerSession": LibraryCarrier("mcp", "anyio", "<2"),
    "mcp.server.ServerSession": LibraryCarrier("mcp", "anyio", "<1.2"),
    "mcp.server.elicitation.ServerSession": LibraryCarrier("mcp", "anyio", ">=1.10,<2"),
    "mcp.server.experimental.request_context.ServerSession": LibraryCarrier(
        "mcp", "anyio", ">=1.23,<2"
    ),
    "mcp.server.experimental.task_context.ServerSession": LibraryCarrier(
        "mcp", "anyio", ">=1.23,<2"
    ),
    "mcp.server.experimental.task_result_handler.ServerSession": LibraryCarrier(
        "mcp", "anyio", ">=1.23,<2"
    ),
    "mcp.server.experimental.task_support.ServerSession": LibraryCarrier(
        "mcp", "anyio", ">=1.23,<2"
    ),
    "mcp.server.fastmcp.server.ServerSession": LibraryCarrier("mcp", "anyio", ">=1.3,<2"),
    "mcp.server.lowlevel.server.ServerSession": LibraryCarrier("mcp", "anyio", ">=1.2,<2"),
    "mcp.server.session.ServerSession": LibraryCarrier("mcp", "anyio", "<2"),
    "mcp.client.session.BaseSession": LibraryCarrier("mcp", "anyio", "<2"),
    "mcp.server.session.BaseSession": LibraryCarrier("mcp", "anyio", "<2"),
    "mcp.shared.context.BaseSession": LibraryCarrier("mcp", "anyio", "<2"),
    "mcp.shared.progress.BaseSession": LibraryCarrier("mcp", "anyio", "<2"),
    "mcp.shared.session.BaseSession": LibraryCarrier("mcp", "anyio", "<2"),
    # mcp session group: holds the transports and sessions of the servers it is connected to.
    "mcp.ClientSessionGroup": LibraryCarrier("mcp", "anyio", ">=1.9"),
    "mcp.client.session_group.ClientSessionGroup": LibraryCarrier("mcp", "anyio", ">=1.9"),
    # mcp client of 2.0: an exit stack with a transport and a `ClientSession`.
    "mcp.Client": LibraryCarrier("mcp", "anyio", ">=2"),
    "mcp.client.Client": LibraryCarrier("mcp", "anyio", ">=2"),
    "mcp.client.client.Client": LibraryCarrier("mcp", "anyio", ">=2"),
    # mcp session manager: a task group around the `yield` of a method.
    "mcp.server.streamable_http_manager.StreamableHTTPSessionManager.run": LibraryCarrier(
        "mcp", "anyio", ">=1.8"
    ),
    "mcp.server.fastmcp.server.StreamableHTTPSessionManager.run": LibraryCarrier(
        "mcp", "anyio", ">=1.8,<2"
    ),
    "mcp.server.lowlevel.server.StreamableHTTPSessionManager.run": LibraryCarrier(
        "mcp", "anyio", ">=2"
    ),
    "mcp.server.mcpserver.server.StreamableHTTPSessionManager.run": LibraryCarrier(
        "mcp", "anyio", ">=2"
    ),
    # mcp test helper: a task group for the server, and a `ClientSession`.
    "mcp.shared.memory.create_connected_server_and_client_session": LibraryCarrier(
        "mcp", "anyio", "<2"
    ),
    # qtrio: a nursery around the `yield`.
    "qtrio.open_emissions_nursery": LibraryCarrier("qtrio", "trio"),
    # trio-asyncio: a nursery for the loop's tasks.
    "trio_asyncio.open_loop": LibraryCarrier("trio-asyncio", "trio"),
    # trio-util: a nursery around the `yield`.
    "trio_util.move_on_when": LibraryCarrier("trio-util", "trio"),
    "trio_util.run_and_cancelling": LibraryCarrier("trio-util", "trio"),
    # trio-websocket: a nursery for the reader task around the `yield`.
    "trio_websocket.open_websocket": LibraryCarrier("trio-websocket", "trio"),
    "trio_websocket.open_websocket_url": LibraryCarrier("trio-websocket", "trio"),
}
