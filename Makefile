# `make run` is all a newcomer needs; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
POS := $(wildcard dashboards/locale/*/LC_MESSAGES/django.po)
MOS := $(POS:.po=.mo)
# the checks read the settings as a production site has them; nothing is connected to
PRODUCTION := APC_DEMO=0 APC_DEBUG=0 APC_HTTPS=1 APC_ALLOWED_HOSTS=apc.example.com \
  APC_TRUSTED_ORIGINS=https://apc.example.com DATABASE_URL=postgresql://apc@localhost/apc REDIS_URL=redis://localhost \
  APC_SECRET_KEY=$$($(BIN)/python -c "import secrets; print(secrets.token_urlsafe(50))") \
  APC_AUDIT_KEY=$$($(BIN)/python -c "import secrets; print(secrets.token_urlsafe(50))")

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test trials check bench pictures wipe

help: ## what can be asked of make
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

run: $(VENV)/installed $(MOS) ## install, then start everything as a demo on port $APC_PORT (8000); Ctrl-C ends it
	@APC_DEMO=$${APC_DEMO:-1} exec $(BIN)/python manage.py up

# three workers for two processors: the one with the tests of a whole installation mostly waits
test: check ## the checks, then every test
	@$(BIN)/python -m pytest -n 3 --dist loadscope --durations=25 $(ARGS)

trials: $(VENV)/installed-dev $(MOS) ## only the long forms of tests (more seeds, kills, races), one at a time, without the checks; APC_SEED=... repeats them
	@$(BIN)/python -m pytest -m trial $(ARGS)

check: $(VENV)/installed-dev $(MOS) ## style, types, who imports whom, migrations, deployment settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@echo "mypy, makemigrations --check, check --deploy"
	@export $(PRODUCTION); $(BIN)/mypy \
	  && $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run \
	  && $(BIN)/python manage.py check --deploy --fail-level WARNING

bench: $(VENV)/installed-dev ## how fast it is and how well it predicts and controls, beside the figures to beat; some fifteen minutes
	@$(BIN)/python -m bench

pictures: $(VENV)/installed-dev ## draw the pictures of docs/concepts.md anew from the digital twin; needs Chromium
	@$(BIN)/python -m docs.pictures

wipe: $(VENV)/installed ## remove the demo's data, also what had to be kept outside the project
	@$(BIN)/python -m apcweb.servers

$(VENV)/python:
	@$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else \
	  'apc needs Python 3.11 or newer; %s is %s. Name another with PYTHON=...' % (sys.executable, sys.version.split()[0]))"
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@touch $@

# uv installs several times faster than pip; where it cannot be had, pip does the same work
INSTALL = @echo "installing $(1)"; \
  $(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8 || true; \
  $(BIN)/python -m uv pip install --quiet --python $(BIN)/python -r $(1) \
    || $(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(1)

$(VENV)/installed: requirements.txt $(VENV)/python
	$(call INSTALL,requirements.txt)
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt requirements.txt $(VENV)/python
	$(call INSTALL,requirements-dev.txt)
	@touch $@ $(VENV)/installed

%.mo: %.po $(VENV)/installed
	@$(BIN)/pybabel --quiet compile --input-file $< --output-file $@
