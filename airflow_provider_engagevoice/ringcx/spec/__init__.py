"""Facts about RingCX as data: actions, enumerations and rate limits."""
