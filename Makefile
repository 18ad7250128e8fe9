# The whole developer interface. Every target sets up what it needs.
.PHONY: run test check bench lock clean
.DEFAULT_GOAL := run

run:
	@scripts/setup run
	@exec .venv/bin/tradeplane run

test:
	@scripts/setup dev
	@scripts/servers
	@exec .venv/bin/python -m pytest

check:
	@scripts/setup dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	PYTHONPATH=src .venv/bin/lint-imports
	scripts/scan-secrets
	scripts/sbom
	scripts/audit-dependencies

bench:
	@scripts/setup dev
	@scripts/servers
	@exec .venv/bin/python bench/run.py $(BENCH)

# Renews the hash-pinned lists from pyproject.toml; needs uv.
lock:
	scripts/lock

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build
