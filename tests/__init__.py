"""The test-suite: a real Valkey, a real uvicorn, RQ's real worker, a real Chromium. `support` holds what tests share,
`conftest` what they are given."""
