"""The test-suite: a real Valkey, a real uvicorn, RQ's real worker, a real Chromium. `kit` holds what tests share,
`conftest` what they are given."""
