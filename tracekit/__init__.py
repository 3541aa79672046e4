"""Apache CloudStack logs as traces: what every operation did, where its time went and why it failed."""

from __future__ import annotations

__version__ = "0.1.0"
