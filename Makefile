# Every target sets itself up; nothing but python3 (3.11 or newer), git and make is needed before.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := mcp_local_llm.py graph agents tools memory training mcp_server prompts tests
UV := $(shell command -v uv 2>/dev/null)

.PHONY: help setup demo test check cov attack conformance stress bench bench-night studio audit docs picture clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## make .venv with pinned packages

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
ifdef UV
	@test -x $(BIN)/python || uv venv --quiet --seed --python $(PYTHON) $(VENV)
	@uv pip install --quiet --python $(BIN)/python -c constraints.txt -e ".[dev]"
else
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing packages into $(VENV) (some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
endif
	@touch $(STAMP)

demo: $(STAMP)  ## the crew solves a task in the bundled demo repository
	@$(BIN)/mcp-local-llm demo --dir .demo

test: $(STAMP) check cov  ## checks, tests and coverage limits

check: $(STAMP)  ## black, ruff, mypy
	@$(BIN)/black --quiet --check $(SOURCES) || { echo "run: $(BIN)/black $(SOURCES)" >&2; exit 1; }
	@$(BIN)/ruff check --quiet $(SOURCES)
	@$(BIN)/mypy

cov:
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 \
	  $(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder --cov --cov-report=json:.coverage.json
	@$(BIN)/python tests/coverage_limits.py .coverage.json

attack: $(STAMP)  ## 10,000 attacks on protected code; takes a while
	@$(BIN)/python -m tests.attacks.run

conformance: $(STAMP)  ## MCP clients from elsewhere examine the server (needs npm)
	@$(BIN)/python -m tests.conformance.run

stress: $(STAMP)  ## 1,000 calls at once, 10,000 malformed lines, a run killed twice at every node
	@STRESS_CALLS=1000 STRESS_LINES=10000 RESUME_STRIDE=1 \
	  $(BIN)/python -m pytest -q tests/mcp_server/test_stress.py tests/graph/test_resume.py

bench: $(STAMP)  ## speed figures, as ratios within one run
	@$(BIN)/mcp-local-llm bench

bench-night: $(STAMP)  ## five real nights with the embedded model; takes hours, goes on where it was
	@$(BIN)/mcp-local-llm bench-night

studio: $(STAMP)  ## LangGraph Studio on this machine
	@LANGGRAPH_CLI_NO_ANALYTICS=1 LANGGRAPH_NO_VERSION_CHECK=true LANGSMITH_TRACING=false \
	  $(BIN)/langgraph dev --no-reload --allow-blocking

audit: $(STAMP)  ## known vulnerabilities in the pinned packages
	@$(BIN)/pip-audit --skip-editable

docs: $(STAMP)  ## refresh the generated command help in docs/
	@$(BIN)/python tests/cli_help.py --write

picture: $(STAMP)  ## record docs/run.svg anew from a real run of the demo
	@$(BIN)/python tests/picture.py

clean:  ## remove what make created
	@rm -rf $(VENV) .coverage .coverage.* .coverage.json .demo .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis
