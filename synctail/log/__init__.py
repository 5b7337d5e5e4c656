"""Every writer of a log, its summary and its payload files.

- `opened`: a log of your own, from any job. `writer`: what a job logs to.
- `flusher`: the thread beneath it, over `inbox`, `spool` and `delivery`, which only decide; `cap`: where a log is full.
- `appender`: the Lua scripts that write, each one atomic step with a typed answer.
- `lines`: lines as bytes. `masks`: no secret gets through. `capture`: `logging` and prints, into the log.
- `payload_files`: what was pulled, scripted and pushed, kept as files.
- `registry`: where readers and the clock find a sync. `endings`: the last line of a sync whose process can no longer
  write it. `day_totals`: what syncs moved each day.
"""

from synctail.log.opened import open_log
from synctail.log.writer import LogWriter

__all__ = ["LogWriter", "open_log"]
