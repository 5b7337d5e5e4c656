"""What things are and where they live. Imports nothing of ours, does no I/O, has no clock.

- `sync`: a sync's summary, lines, payload files and days.
- `keys`: every Redis key and channel, and how long it lives.
- `ids`: ids that sort by time, and times as text.
- `json_text`: records as JSON. `filter_text`: values and filters as people type them.
- `unsafe_text`: which characters take effect on a terminal or a page.
- `about`: labels of members, for the form, the reference and the API's schema.
"""
