"""What the tests of promises share: the client's time that does not pass."""

from tests.ringcx.conftest import clock as clock
