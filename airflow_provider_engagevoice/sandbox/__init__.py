"""A local RingCX server to test against; nothing here touches the real service.

``python -m airflow_provider_engagevoice.sandbox`` starts it on the command line, and
:class:`airflow_provider_engagevoice.sandbox.server.sandbox_server.SandboxServer` starts it in a program, and the
fixture ``ringcx_sandbox`` in a test of pytest. Importing this package alone needs neither Starlette nor
uvicorn.
"""

from __future__ import annotations
