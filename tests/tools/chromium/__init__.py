"""Chromium as a party of a meeting on the real relay, driven by chromedriver; for tests and benches."""
