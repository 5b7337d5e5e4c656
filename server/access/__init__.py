"""Who asks, and may they.

- `gate`: holds every request to its route: identity, origin, role, size.
- `auth`: tokens and sessions. `origins`: which page made a request.
- `tokens`: make, list and remove access tokens.
"""
