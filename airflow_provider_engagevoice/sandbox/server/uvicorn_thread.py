"""uvicorn in a thread of its own, made to start and to stop at once: a test waits for both."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import Any, cast

import anyio.to_thread
import uvicorn

from airflow_provider_engagevoice.sandbox.server.recording import App

_START_SECONDS = 30.0
_STOP_SECONDS = 1.0
_THREADS = 1000


class ServerThread:
    """Serves an application at a socket.

    :param app: the ASGI application.
    :param listening: the socket, bound and listening; closed on :meth:`stop`.
    """

    def __init__(self, app: App, listening: socket.socket) -> None:
        self._socket = listening
        self._uvicorn = _PromptServer(
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
        """Start to serve; return when requests are answered.

        :raises RuntimeError: uvicorn does not start.
        """
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._uvicorn.ready.wait(0.05):
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self._uvicorn.should_exit = True
                self._socket.close()
                raise RuntimeError("The sandbox did not start; see the log of uvicorn.")

    def stop(self) -> None:
        """Stop to serve; return when no request is answered any more."""
        self._uvicorn.stop()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        """Serve until told to stop; runs in its own thread."""
        self._uvicorn.run(sockets=[self._socket])


class _PromptServer(uvicorn.Server):
    """A uvicorn that need not be asked twice.

    uvicorn itself looks ten times a second whether it is to stop, pauses for another tenth, and then
    waits for every client that has not gone yet.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()
        # Faults hold their requests' threads; anyio's own 40 would soon leave none for the others.
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        await super().startup(sockets=sockets)
        self.ready.set()

    def stop(self) -> None:
        """Stop soon; may be called in any thread."""
        self.should_exit = True
        # The loop is closed where uvicorn has ended by itself.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        """Wait to be told to stop; once a second let uvicorn set the clock of its Date header."""
        while not await self.on_tick(0):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close idle connections, and cut off requests that are still without an answer."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
            if not connection.transport.is_closing():
                connection.transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_STOP_SECONDS)
