# `make demo` and `make test` do everything on a fresh machine with Python 3.11+, git and make.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export HF_HUB_OFFLINE ?= 1
INSTALLED := $(VENV)/.installed
VLLM := .vllm
PYTEST := python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder

.PHONY: demo test prove prove-vllm repro format lint type bench clean

demo: $(INSTALLED)  ## Set up, run the whole pipeline on the demo library, print the metrics
	dvc repro
	@echo
	@python -m vibe_photos.eval.labels --gt data/human
	@echo
	@git diff --quiet && echo "Nothing that git tracks has changed." || git status --short
	@echo "The report: $(CURDIR)/data/report/index.html"

repro: $(INSTALLED)  ## Rerun what a change touches; say what moved and whether that is more than noise
	dvc repro
	@echo
	@vibe-photos compare --brief || true

test: $(INSTALLED)  ## Set up and pass every check and test
	$(MAKE) lint type
	$(PYTEST)

prove: $(INSTALLED)  ## The tests with their full numbers of repetitions, once for each kind of processor
	VIBE_PHOTOS_PROVE=1 python -m tests.profiles each -- $(PYTEST) --timeout=3600

prove-vllm: $(INSTALLED) $(VLLM)/.installed  ## The annotator against real servers: vLLM on the CPU, and LiteLLM before it
	python -m pytest --timeout=3600 --durations=5 tests/vllm

format: $(INSTALLED)
	ruff format . && ruff check --fix .

lint: $(INSTALLED)
	ruff format --check . && ruff check . && lint-imports

type: $(INSTALLED)
	mypy

bench: $(INSTALLED)  ## Every hot path against its floor and a peer; one of them measures the demo's own report
	dvc repro
	python -m benchmarks

clean:  ## Remove the environments, keep data and the store
	rm -rf $(VENV) $(VLLM)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(VLLM)/.installed: tests/vllm/install.sh tests/vllm/tiny_qwen3_vl.py
	bash tests/vllm/install.sh $(VLLM)
	touch $@
