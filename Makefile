# Everything begins here: `make help` says what there is.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:                                  # `make -j test` must not look at pages while they are built

# The first of these that is there; prepare.py says so in words if it is too old.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
            if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; exit; fi; done; echo python3)
export UNROLLED_VENV ?= .venv
BIN := $(UNROLLED_VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
export PATH := $(abspath $(BIN)):$(PATH)

# A copy of the novel beside the checkout is used; without one the package fetches it, or says what it uses instead.
ifneq ($(wildcard ../shared/data/timemachine.txt),)
export UNROLLED_DATA ?= $(abspath ../shared/data)
endif
export UNROLLED_PROGRESS = off
export PYDEVD_DISABLE_FILE_VALIDATION = 1
export JUPYTER_PLATFORM_DIRS = 1
export PYTHONHASHSEED = 0
# Where a page finds the kernel of another environment.
export JUPYTER_PATH := $(abspath _build/share/jupyter)$(if $(JUPYTER_PATH),:$(JUPYTER_PATH))
# Products this small gain nothing from a second thread, and lose much where something else has the core.
export OMP_NUM_THREADS ?= 1
# What measures how fast this machine is has all of it.
ALL_CORES := env -u OMP_NUM_THREADS

# What looks at the built site, and so comes last; the file that takes longest first.
SITE_TESTS := tests/site/test_built.py tests/site/test_tabs.py tests/site/test_offline.py tests/site/test_workflows.py tests/site/widgets
NOTEBOOKS := $(BIN)/jupyter-book build -W -n --keep-going --builder custom --custom-builder notebooks .

.PHONY: help environment assets book notebooks assignments pdf zip test test-package test-pages strict test-notebooks test-colab test-site notebooks-run notebooks-gpu serve clean lock bench bench-engines bench-costs reproducible

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

environment:
	@command -v $(PYTHON) >/dev/null || { echo "No Python was found: this book needs Python 3.11 or later." >&2; exit 1; }
	$(PYTHON) tools/prepare.py environment

assets: environment
	@$(BIN)/python -m unrolled.site.assets
	$(BIN)/python -m unrolled.cli data fetch

book: assets  ## execute every notebook, build the site into _build/html (about 20 minutes the first time on two cores, seconds when nothing changed)
	@$(BIN)/jupyter-book build -W -n --keep-going .
	$(NOTEBOOKS)
	rm -rf _build/html/notebooks && cp -r _build/notebooks _build/html/
	echo
	echo "The book is in _build/html. Open _build/html/index.html, or read it with: make serve"

notebooks: assets  ## every page as notebooks (learner's, solved, instructor's, plain) into _build/notebooks, from the book's own executions (a minute after make book)
	@$(NOTEBOOKS)
	echo
	echo "The notebooks are in _build/notebooks."

notebooks-run: notebooks  ## every learner's notebook from top to bottom in this environment; _build/notebooks-run.md says what failed (10 minutes)
	@$(BIN)/python tools/run_notebooks.py --command "make notebooks-run"

notebooks-gpu: environment  ## the same on a GPU, which must be there; the times are recorded in book/data
	@$(BIN)/python -c "import sys; sys.path.append('tools'); from run_notebooks import demand_gpu; demand_gpu()"
	$(MAKE) --no-print-directory notebooks
	$(BIN)/python tools/run_notebooks.py --gpu --record notebooks-gpu --command "make notebooks-gpu"

assignments: environment  ## the exercises as Otter-Grader assignments for a class, into _build/assignments (20 seconds)
	@$(BIN)/python -m unrolled.exercises.assignments _build/assignments $(if $(TESTS),--tests $(TESTS)) $(if $(PACKAGE),--package "$(PACKAGE)")

pdf: book  ## the whole book as one PDF, _build/unrolled.pdf (a minute after make book)
	@CHROMIUM="$$($(BIN)/python tools/prepare.py browser)"
	export CHROMIUM
	$(BIN)/python -m unrolled.site.pdf _build/html _build/unrolled.pdf

zip: book  ## the built book to take along, _build/unrolled-book.zip: unpack, double-click index.html (seconds after make book)
	@$(BIN)/python -m unrolled.site.offline_zip _build/html _build/unrolled-book.zip

test: test-package test-pages strict test-notebooks test-colab test-site  ## the whole suite: package, every page executed, strict build, notebooks as on Colab, the site in a real browser (about an hour on two cores)

test-package: environment mxnet-if-any triton-if-any  ## the package's own tests, MXNet's in its environment, on all cores, with coverage (about 10 minutes on two cores)
	@$(BIN)/python -m pytest -n logical --dist loadfile tests --ignore=tests/book $(SITE_TESTS:%=--ignore=%) --cov --cov-fail-under=95

test-pages: assets mxnet-if-any  ## every page executed from a clean state, on all cores; the strict build takes these executions (about 12 minutes on two cores)
	@$(BIN)/python -m pytest -n logical --maxschedchunk=1 tests/book --ignore=tests/book/test_notebooks.py --ignore=tests/book/test_colab.py

strict: assets  ## build from those executions with every warning an error, executing nothing
	@rm -rf _build/html _build/.doctrees
	$(BIN)/jupyter-book build -W -n --keep-going . 2>&1 | tee _build/strict.log
	if grep -q "Executing notebook" _build/strict.log; then echo "the strict build executed a page again" >&2; exit 1; fi

test-notebooks: notebooks  ## the notebooks: whole, linked, the same in a second build that executes nothing, and run (2 minutes)
	@rm -rf _build/notebooks.first && cp -r _build/notebooks _build/notebooks.first
	$(NOTEBOOKS) > _build/notebooks.log 2>&1
	if grep -q "Executing notebook" _build/notebooks.log; then echo "the notebooks' build executed a page again" >&2; exit 1; fi
	diff -rq _build/notebooks.first _build/notebooks
	rm -rf _build/notebooks.first
	rm -rf _build/html/notebooks && cp -r _build/notebooks _build/html/
	$(BIN)/python -m pytest tests/book/test_notebooks.py

test-colab: notebooks  ## every learner's notebook as on Colab: cloned, its first cell installing, in an old and in a new environment (about 20 minutes on two cores; RECORD=yes keeps the times)
	@colab() { RECORD="$(RECORD)" $(BIN)/python -m pytest tests/book/test_colab.py "$$@"; }
	if [ "$(RECORD)" ]; then colab; exit; fi
	colab -k oldest & oldest=$$!               # what is not recorded need not be alone
	colab -k "not oldest" || { wait $$oldest || true; exit 1; }
	wait $$oldest

test-site: assets  ## the built pages in Chromium and in JupyterLab, the PDF and the zip, the workflows (about 15 minutes on two cores)
	@CHROMIUM="$$($(BIN)/python tools/prepare.py browser)"
	export CHROMIUM
	$(BIN)/python -m pytest -n logical --dist loadfile --no-loadscope-reorder $(SITE_TESTS)

serve:  ## read the built book at http://localhost:8000
	@test -f _build/html/index.html || { echo "There is no built book yet: run make book first." >&2; exit 1; }
	$(BIN)/python -m http.server --directory _build/html 8000

PORT ?= 8888
lab: $(if $(wildcard _build/notebooks/index.ipynb),environment,notebooks)  ## the notebooks in JupyterLab, in a copy that is yours to change (PORT=8888)
	@mkdir -p my-notebooks
	cp -Rn _build/notebooks/. my-notebooks/ || true      # what is yours already stays (some cp call that a failure)
	echo "JupyterLab opens the notebooks, your copy of them in my-notebooks, at the address below; Control-C ends it."
	unset UNROLLED_PROGRESS OMP_NUM_THREADS    # these are for builds and tests
	exec $(BIN)/python -m jupyterlab --allow-root --ip=127.0.0.1 --port="$(PORT)" --ServerApp.port_retries=0 \
	  --Application.log_level=WARN --ServerApp.root_dir=my-notebooks --LabApp.default_url=/lab/tree/index.ipynb --LabApp.news_url=None

links: assets  ## whether every link of the book leads somewhere (a network; a minute after make book)
	@rm -rf _build/linkcheck _build/links.md
	$(BIN)/jupyter-book build --builder custom --custom-builder linkcheck . || true    # links.py says whether it was for links
	$(BIN)/python tools/links.py

clean:  ## remove what was built (the environment stays)
	@rm -rf _build book/_static/offline book/_static/offline.partial .pytest_cache .coverage

lock: environment  ## resolve pyproject.toml into requirements.lock anew
	@$(BIN)/python -m venv _build/lock && _build/lock/bin/pip install -q uv && _build/lock/bin/python tools/lock.py

bench: environment  ## the source's code against ours, then the three below, recorded in book/data (45 minutes on a quiet machine; fetches d2l)
	@$(BIN)/python benchmarks/source_experiment.py
	for one in engines scale time_to_perplexity; do $(ALL_CORES) $(BIN)/python benchmarks/$$one.py; done

bench-engines: environment  ## every rung of the ladder beside the source's code and the floor, recorded in book/data (9 minutes; fetches d2l)
	@$(ALL_CORES) $(BIN)/python benchmarks/engines.py

.PHONY: bench-scale
bench-scale: environment  ## how time and memory of the LSTM's engines grow, recorded in book/data (7 minutes)
	@$(ALL_CORES) $(BIN)/python benchmarks/scale.py

.PHONY: bench-training
bench-training: environment  ## the time to a perplexity, the source's code and ours by recipe, engine and allocator, recorded in book/data (14 minutes; fetches d2l)
	@$(ALL_CORES) $(BIN)/python benchmarks/time_to_perplexity.py

bench-costs: environment  ## RNN, GRU and LSTM against the clock, recorded in book/data (4 minutes)
	@$(BIN)/python benchmarks/cost_times.py

.PHONY: bench-variants
bench-variants: environment  ## variants and successors of the LSTM, equally many parameters, recorded in book/data (about 45 minutes; goes on where it was stopped)
	@$(BIN)/python benchmarks/variants.py

.PHONY: bench-gates
bench-gates: environment  ## the LSTM without one of its parts on three tasks, recorded in book/data (5 minutes)
	@$(BIN)/python benchmarks/gates.py

.PHONY: bench-whole-book
bench-whole-book: environment  ## the whole book: n-grams, three seeds of the page's network, a larger one where there is a GPU, recorded in book/data (6 minutes without one)
	@$(BIN)/python benchmarks/whole_book.py

.PHONY: bench-gpu
bench-gpu: environment  ## our GPU kernel against cuDNN, recorded in book/data (5 minutes; needs an NVIDIA GPU, and triton)
	@$(BIN)/python benchmarks/gpu_engines.py

reproducible: assets  ## two clean builds of this commit, compared cell by cell (15 minutes)
	@$(BIN)/python tools/compare_builds.py

.PHONY: frameworks mxnet-if-any triton-if-any test-mxnet record-frameworks record-pages
frameworks:  ## MXNet's own environment .venv-mxnet, and its kernel for the book's pages (a minute the first time)
	@$(PYTHON) tools/prepare.py mxnet

mxnet-if-any:                                  # status 3: it cannot be had on this machine, and a sentence has said so
	@$(PYTHON) tools/prepare.py mxnet || [ $$? = 3 ]

triton-if-any: environment
	@$(PYTHON) tools/prepare.py triton || [ $$? = 3 ]

record-frameworks: environment frameworks  ## the source's experiment in all four, recorded in book/data (half an hour)
	@$(BIN)/python tools/record_frameworks.py

record-pages: frameworks book  ## what the pages that need MXNet put out, recorded in book/recorded for machines without it (seconds after make book)
	@$(BIN)/python tools/record_pages.py

test-mxnet: frameworks  ## MXNet's model alone, tested in that environment (seconds)
	@$(UNROLLED_VENV)-mxnet/bin/python -m pytest -W "ignore:Unknown config option" tests/frameworks/test_mxnet.py

.PHONY: lab links push-notebooks weekly report-issue check-tag dist notebooks-zip
push-notebooks: export REMOTE ?= origin
push-notebooks:  ## the built notebooks as the branch notebooks of a remote, one commit, for Colab and Binder (REMOTE=origin)
	@$(PYTHON) tools/push_notebooks.py "$$REMOTE"

dist: environment  ## the package as sdist and wheel, into _build/dist (seconds)
	@rm -rf _build/dist
	$(BIN)/python -m hatchling build --directory _build/dist

notebooks-zip: notebooks  ## the notebooks in one file, _build/unrolled-notebooks.zip
	@$(BIN)/python -c "import shutil; shutil.make_archive('_build/unrolled-notebooks', 'zip', '_build', 'notebooks')"

weekly:  ## every built notebook with the newest packages that ours allows, in the image that COLAB_IMAGE names (30 minutes)
	@$(PYTHON) tools/weekly.py

report-issue:                                  # for the workflows on a schedule: TITLE=… REPORT=…
	@$(PYTHON) tools/report_issue.py "$${TITLE-}" "$${REPORT-}"

check-tag:  ## whether a tag is the version's, before a release (TAG=v0.1.0)
	@$(PYTHON) tools/check_tag.py "$${TAG-}"
