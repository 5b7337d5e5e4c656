"""HTML of lists and syncs: readable without JavaScript; the modules in `static/` make it live.

- `overview`: the lists of services and syncs, and one sync. `charts`: how high the bars of a day are.
- `sign_in`: signing in and out, and the theme.
- `render`: templates and the error page. `filters`: what templates call.
"""
