# Two commands on a fresh machine: `make book` builds the pages, `make test` tests everything.

VENV := .venv
PY := $(VENV)/bin/python
PAGE := _build/html/index.html

.PHONY: book test serve lab address clean
.DEFAULT_GOAL := book

book: $(VENV)/installed
	@echo "Building the book (chapters run only where something changed) ..."
	@$(PY) -m dlbook_utils.book
	@$(VENV)/bin/jupyter-book build . -W -n --keep-going --quiet > /dev/null
	@echo "The book is ready: open $(CURDIR)/$(PAGE)"

test: $(VENV)/installed $(VENV)/ipywidgets7
	@echo "== Style: ruff, and notebooks without outputs =="
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/nbstripout --verify --keep-id $$(git ls-files 'chapters/**/*.ipynb')
	@echo "== Unit tests of the package, conventions of the chapters =="
	@$(PY) -m pytest tests/package tests/chapters -n 2 -q
	@echo "== Every notebook, run as a test without a network =="
	@$(PY) -m pytest --nbval-lax chapters -n 2 --dist loadfile -q
	@echo "== The book, built strictly =="
	@$(MAKE) --no-print-directory book
	@echo "== The built pages in a real browser =="
	@$(PY) -m pytest tests/book -n 2 -q
	@echo "All tests passed."

serve: book
	@echo "Serving the book at http://127.0.0.1:8000 (stop with Ctrl-C) ..."
	@$(PY) -m http.server 8000 --bind 127.0.0.1 --directory _build/html

lab: $(VENV)/installed
	@$(VENV)/bin/jupyter lab chapters

address:
	@python3 tools/address.py $(URL)

clean:
	@rm -rf _build build *.egg-info
	@echo "Removed what was built; $(VENV) stays (remove it by hand for a fresh start)."

$(VENV)/installed: requirements.txt pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "The book needs Python 3.11 or newer, this is " + sys.version)'
	@echo "Setting up $(VENV) with the pinned versions (once; a few minutes) ..."
	@python3 -m venv $(VENV)
	@$(PY) -m pip install --disable-pip-version-check -r requirements.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# Colab's older widgets, beside the pinned ones, for one test
$(VENV)/ipywidgets7: $(VENV)/installed
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --target $@ ipywidgets==7.7.1 ipython_genutils==0.2.0
	@touch $@
