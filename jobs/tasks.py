"""What RQ calls: the names of these functions are stored in Redis."""

from jobs.run.attempt import run_sync
from jobs.run.check import check_service

__all__ = ["check_service", "run_sync"]
