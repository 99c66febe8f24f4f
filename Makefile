# Everything sets itself up: `make demo`, `make test`.
PYTHON ?= python3
VENV := .venv
# Tests at a time; most wait for something now and then.
JOBS ?= 6
BIN := $(VENV)/bin
# Our modules are compiled once, and not by each of the many processes that start.
unexport PYTHONDONTWRITEBYTECODE
# Debian packages that the demo and the tests need and pip cannot give.
DEBIAN_DEMO := python3-venv
DEBIAN_TEST := $(DEBIAN_DEMO) postgresql 'chromium-headless-shell|chromium' fonts-dejavu-core locales slapd openssl slurmctld slurmd slurm-client munge \
	slurmdbd slurm-wlm-mysql-plugin mariadb-server-core mariadb-client-core \
	gridengine-master gridengine-exec gridengine-client task-spooler \
	sudo ceph-common ceph-mon ceph-osd radosgw nginx-light faketime \
	ganglia-monitor prometheus-node-exporter
DEBIAN_BENCH := $(DEBIAN_TEST)

.PHONY: demo test quick bench lint setup setup-test setup-bench clean

demo: $(VENV)/.installed
	$(BIN)/ijpd demo $(if $(BIND),--bind $(BIND))

test: setup-test lint
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder --reruns 1 -raR

quick: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile -m "not slow and not browser and not end_to_end" --ignore=tests/e2e

bench: setup-bench
	$(BIN)/python -m bench

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p servicekit -p catalog -p datastore -p jobdefs -p batch -p portal -p ijp
	$(BIN)/lint-imports

setup: $(VENV)/.installed

setup-test: $(VENV)/.installed-dev
	@./.ci/debian $(DEBIAN_TEST)
	@$(BIN)/python tests/peers/fetch.py
	-@$(BIN)/python tests/peers/htcondor/packages.py
	-@$(BIN)/python tests/peers/slurm_torque/packages.py

setup-bench: $(VENV)/.installed-dev
	@./.ci/debian $(DEBIAN_BENCH)

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version) if sys.version_info < (3, 11) else None'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || ./.ci/debian $(DEBIAN_DEMO)
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg clients/python/setup.cfg constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e clients/python -e '.[demo]'
	@touch $@

$(VENV)/.installed-dev: setup.cfg clients/python/setup.cfg constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e clients/python -e '.[demo,dev]'
	@touch $(VENV)/.installed $@

clean:
	rm -rf $(VENV) .demo build *.egg-info clients/python/*.egg-info
