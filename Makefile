# `make demo` and `make test` do everything on a fresh machine with Python 3.11+, git and make.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
INSTALLED := $(VENV)/.installed
VLLM := .vllm
PYTEST := python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder

.PHONY: demo setup test prove prove-vllm repro format lint type bench clean

# What the repository carries needs no downloads; a user's own encoder may.
demo test prove bench: export HF_HUB_OFFLINE = 1

setup: $(INSTALLED)  ## Set up .venv

demo: $(INSTALLED)  ## Set up, run the whole pipeline on the demo library, print the metrics
	dvc repro
	@echo
	@python -m vibe_photos.eval.labels --gt data/human
	@echo
	@git diff --quiet && echo "Nothing that git tracks has changed." || git status --short
	@echo "The report: $(CURDIR)/data/report/index.html"

repro: $(INSTALLED)  ## Rerun the stages affected by a change; say whether the figures changed by more than noise
	dvc repro
	@echo
	@vibe-photos compare --brief || true

test: $(INSTALLED)  ## Set up and pass every check and test
	$(MAKE) lint type
	$(PYTEST)

prove: $(INSTALLED)  ## The tests with the full number of repetitions, then as usual for each other kind of processor
	VIBE_PHOTOS_PROVE=1 $(PYTEST) --timeout=3600
	python -m tests.profiles others -- $(PYTEST)

prove-vllm: $(INSTALLED) $(VLLM)/.installed  ## The annotator against real servers: vLLM on the CPU, and LiteLLM before it
	python -m pytest --timeout=3600 --durations=5 tests/vllm

format: $(INSTALLED)
	ruff format . && ruff check --fix .

lint: $(INSTALLED)
	ruff format --check . && ruff check . && lint-imports

type: $(INSTALLED)
	mypy

bench: $(INSTALLED)  ## Every benchmark, with its floor and a peer (docs/PERFORMANCE.md); one measures the demo's report
	dvc repro
	python -m benchmarks

clean:  ## Remove the environments, keep data and the store
	rm -rf $(VENV) $(VLLM)

$(INSTALLED): pyproject.toml constraints.txt
	@echo "Installing into $(VENV): about 2.7 GB, several minutes"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(VLLM)/.installed: tests/vllm/install.sh tests/vllm/tiny_qwen3_vl.py
	bash tests/vllm/install.sh $(VLLM)
	touch $@
