"""Local RingCX server for tests and demonstrations; it never connects to the real service.

Start it on the command line with ``engagevoice-sandbox``, in a program with :class:`SandboxServer`, or in
pytest with the fixture ``ringcx_sandbox``. The names in ``__all__`` are the public API. They are imported on
first use: importing this package alone requires neither Starlette nor uvicorn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
    from airflow_provider_engagevoice.sandbox.settings import Settings

__all__ = ["SandboxServer", "Settings"]


def __getattr__(name: str) -> Any:
    # Explicit imports instead of importlib, so that tests of the imports can check them.
    if name == "SandboxServer":
        from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer

        return SandboxServer
    if name == "Settings":
        from airflow_provider_engagevoice.sandbox.settings import Settings

        return Settings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
