"""Former name of `graphnet.testing`."""

from graphnet.testing import *  # noqa: F403
