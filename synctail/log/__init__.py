"""Every writer of a log, its summary and its payload files.

- `writer`: what a job logs to. `appender`: the Lua scripts beneath it, each one atomic step with a typed answer.
- `registry`: where readers and the clock find a sync.
- `lines`: lines as bytes. `masks`: no secret gets through. `cap`: where a log is full.
- `capture`: `logging` and prints, into the log.
- `payload_files`: what was pulled, scripted and pushed, kept as files.
- `endings`: the last line of a sync whose own process can no longer write it. `day_totals`: what syncs moved each day.
"""
