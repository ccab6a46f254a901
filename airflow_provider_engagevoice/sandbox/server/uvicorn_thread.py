"""uvicorn in a background thread, with fast startup and shutdown for tests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Any, cast

import anyio.to_thread
import uvicorn

from airflow_provider_engagevoice.sandbox.server.recording import App
from airflow_provider_engagevoice.sandbox.state.clock import monotonic

_START_TIMEOUT = 30.0
_SHUTDOWN_TIMEOUT = 1.0
_MAX_THREADS = 1000


class ServerThread:
    """Serves an application on a socket, in a thread.

    :param app: the ASGI application.
    :param listening: the socket, bound and listening; closed by :meth:`stop`.
    """

    def __init__(self, app: App, listening: socket.socket) -> None:
        self._socket = listening
        self._uvicorn = _FastShutdownServer(
            uvicorn.Config(
                cast("Any", app),
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                timeout_keep_alive=75,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="ringcx-sandbox", daemon=True)

    def start(self) -> None:
        """Start the server; return when it accepts requests.

        :raises RuntimeError: if uvicorn does not start.
        """
        self._thread.start()
        deadline = monotonic() + _START_TIMEOUT
        while not self._uvicorn.ready.wait(0.05):
            if not self._thread.is_alive() or monotonic() > deadline:
                self._uvicorn.should_exit = True
                self._socket.close()
                raise RuntimeError("The sandbox did not start; see uvicorn's log for the cause.")

    def stop(self) -> None:
        """Stop the server; return when it accepts no more requests."""
        self._uvicorn.stop()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        """Run uvicorn until it is stopped; the thread's target."""
        self._uvicorn.run(sockets=[self._socket])


class _FastShutdownServer(uvicorn.Server):
    """uvicorn.Server with immediate shutdown.

    uvicorn itself checks ten times a second whether to stop, sleeps for another tenth of a second, and then
    waits for all clients to disconnect.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and set the event ``ready``."""
        self._loop = asyncio.get_running_loop()
        # A test that freezes the time must not stop the timers of the server.
        self._loop.time = monotonic  # type: ignore[method-assign]
        self._stop_requested = asyncio.Event()
        # Delayed and hanging requests occupy threads; anyio's default of 40 could be exhausted by them.
        anyio.to_thread.current_default_thread_limiter().total_tokens = _MAX_THREADS
        await super().startup(sockets=sockets)
        self.ready.set()

    def stop(self) -> None:
        """Request shutdown; thread-safe."""
        self.should_exit = True
        # The loop is closed already if uvicorn has exited by itself.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop_requested.set)

    async def main_loop(self) -> None:
        """Wait for shutdown; call uvicorn's tick once a second, which updates the Date header."""
        while not await self.on_tick(0):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop_requested.wait(), 1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close idle connections, and abort those whose request has no response yet."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
            if not connection.transport.is_closing():
                connection.transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_SHUTDOWN_TIMEOUT)
