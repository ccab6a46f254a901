"""What a sandbox can be told to do differently."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Choices of one sandbox; the defaults follow what is known of RingCX.

    :param seed: the same seed and size give the same world.
    :param size: how many leads the world starts with.
    :param page_base: number of the first page of a search, 0 or 1. Assumed 0, from a sibling call of
        the guide; no document says it for leads.
    :param row_cap: most rows one search returns; a larger ``maxRows`` is cut to it. Assumed.
    :param strict_reservation: AGENT_RESERVATION needs ``CALLBACK_DTS`` too. Observed in one public
        program; the guide does not name it.
    :param token_lifetime: seconds a bearer token lives. Guide: five minutes.
    :param honour_campaign_id: a ``campaignId`` outside ``campaignIds`` narrows the search. Assumed
        False: no schema knows it, and one program saw such a search reach the whole account.
    """

    seed: int = 1
    size: int = 10_000
    page_base: int = 0
    row_cap: int = 5000
    strict_reservation: bool = False
    token_lifetime: float = 300.0
    honour_campaign_id: bool = False

    def __post_init__(self) -> None:
        """Refuse values that no sandbox could act on."""
        if self.page_base not in (0, 1):
            raise ValueError(f"page_base must be 0 or 1, not {self.page_base!r}")
        if self.size < 0:
            raise ValueError(f"size must not be negative: {self.size!r}")
        if self.row_cap < 1:
            raise ValueError(f"row_cap must be at least 1: {self.row_cap!r}")
        if self.token_lifetime <= 0:
            raise ValueError(f"token_lifetime must be positive: {self.token_lifetime!r}")
