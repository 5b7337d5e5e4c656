"""HTML of lists and syncs: readable without JavaScript; the modules in `static/` make it live.

- `overview`: the pages. `charts`: the bars of the daily chart.
"""
