# Chorus' build. `make` alone lists what it can do; each is fit to be the first
# command in a clean clone. Go, git and GNU make are needed, the rest is got.

# The workspace's modules. The tools have one of their own, outside of it.
MODULES  := $(notdir $(shell go list -f '{{.Dir}}' -m))
PACKAGES := $(MODULES:%=./%/...)

# Tests of the whole, which run many processes and get the machine to themselves.
WHOLE := ./services/e2e/...
PARTS = $(filter-out $(MODULE)/services/e2e% $(PURE),$(shell go list ./services/...))
# Packages that only compute, much, in one goroutine: there is nothing to race.
PURE = $(patsubst %,$(MODULE)/services/%,planner/decide planner/simulate internal/llm/offline generator/guard internal/roster/castfile)
MODULE := github.com/chorus-cast/chorus

# Checks of deploy/, and what others build a pipeline of, to be measured beside it: in
# modules of their own, outside of the workspace, too.
VERIFY := deploy/verify
ASIDE  := $(VERIFY) services/lab/peers

BIN   := $(CURDIR)/bin
TOOLS := $(CURDIR)/deploy/tools

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
BUILD   := $(MODULE)/services/internal/infra/telemetry
LDFLAGS := -X $(BUILD).version=$(VERSION) -X $(BUILD).commit=$(COMMIT)

# Go's own stamp fails where git refuses a checkout of another user.
export GOFLAGS := $(GOFLAGS) -buildvcs=false

# The packages whose tests write and check the documents' tables.
DOCUMENTED := ./services/cmd/chorus/command ./services/internal/roster/castfile ./services/console

# What `make demo` plays.
CAST ?= deploy/examples/book-club.yaml
# A package's name, to run its benchmarks only: make bench ONLY=sender. Or a
# scenario's, to play only that: make load ONLY=soak.
ONLY ?=
# One of that package's benchmarks: make bench ONLY=e2e BENCH=Pipeline.
BENCH ?=
# Linking eighty programs is a third of the time that the tests take, and a quarter
# of that is debug information. What vet finds, `make lint` does.
LEAN := -vet=off -ldflags='-s -w'
# Beside others on two cores, what a test waits for may take longer than it waits. One
# that fails is run once more by itself, and told of; one that fails again fails.
AGAIN := --format pkgname --format-hide-empty-pkg --rerun-fails=1 --rerun-fails-max-failures=5 \
	--rerun-fails-abort-on-data-race --rerun-fails-run-root-test
# More flags for go test: make test TESTFLAGS='-run TestLanes -count 20'.
TESTFLAGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check generate build bench load clean \
        fmt format lint generated tidy standalone vulnerabilities

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: build ## Play a cast on this machine: no account, key or server is needed
	@exec $(BIN)/chorus up --cast $(CAST)

# The race detector lets each program wait for a second before it ends.
test: export GORACE := atexit_sleep_ms=20
test: $(BIN)/gotestsum ## Run all tests, those of parts with the race detector, on real servers
	@deploy/scripts/compiler
	@$(BIN)/gotestsum $(AGAIN) --packages='$(filter-out ./services/...,$(PACKAGES)) $(PARTS)' -- \
		-race -shuffle on -p 3 -parallel 4 -timeout 10m $(LEAN) $(TESTFLAGS)
	@$(BIN)/gotestsum $(AGAIN) --packages='$(PURE)' -- -shuffle on -timeout 10m $(LEAN) $(TESTFLAGS)
	@$(BIN)/gotestsum $(AGAIN) --packages='$(WHOLE)' -- \
		-shuffle on -p 1 -parallel 6 -timeout 25m $(LEAN) $(TESTFLAGS)
	@cd $(VERIFY) && GOWORK=off $(BIN)/gotestsum --format pkgname -- -shuffle on -timeout 10m $(LEAN) $(TESTFLAGS) ./...

check: format lint generated tidy standalone vulnerabilities ## Check everything that needs no run: style, lint, generated code, modules

generate: $(BIN)/buf $(BIN)/templ ## Generate the contracts' code, and the documents' tables from the code
	@cd proto && $(BIN)/buf generate
	@cd services && $(BIN)/templ generate -path console -log-level error
	@UPDATE_DOCS=1 go test -count 1 -run 'Current$$' $(DOCUMENTED) >/dev/null

fmt: $(BIN)/golangci-lint ## Format the code
	@for module in $(MODULES) $(ASIDE); do (cd $$module && $(BIN)/golangci-lint fmt) || exit 1; done

build: ## Build bin/chorus
	@echo 'build: chorus (some minutes, if much is to be compiled)'
	@go build -ldflags '$(LDFLAGS)' -o $(BIN)/chorus ./services/cmd/chorus

bench: ## Measure, and write docs/bench.json; ONLY=sender for a part
	@deploy/scripts/bench '$(ONLY)' '$(COMMIT)' '$(BENCH)'

load: build ## Play all scenarios of load and faults (two hours), and write docs/performance.md; ONLY=soak for one
	@deploy/scripts/load '$(ONLY)' '$(COMMIT)'

clean: ## Remove what was built
	@rm -rf $(BIN)

# The parts of `make check`.

format: $(BIN)/golangci-lint
	@echo 'check: format'
	@for module in $(MODULES) $(ASIDE); do (cd $$module && $(BIN)/golangci-lint fmt --diff) || exit 1; done

lint: $(BIN)/golangci-lint $(BIN)/buf
	@echo 'check: lint'
	@cd proto && $(BIN)/buf lint
	@for module in $(MODULES); do (cd $$module && $(BIN)/golangci-lint run --allow-parallel-runners --show-stats=false) || exit 1; done
	@for module in $(ASIDE); do (cd $$module && GOWORK=off $(BIN)/golangci-lint run --allow-parallel-runners --show-stats=false) || exit 1; done

generated: $(BIN)/buf
	@echo 'check: generated code is current'
	@rm -rf $(BIN)/generated && cd proto && $(BIN)/buf generate -o $(BIN)/generated
	@diff -r $(BIN)/generated/chorus proto/chorus -x '*.proto' || { echo 'run: make generate'; exit 1; }

tidy:
	@echo 'check: go.mod files are tidy'
	@for module in $(MODULES) $(ASIDE); do (cd $$module && GOWORK=off go mod tidy -diff) || exit 1; done

standalone:
	@echo 'check: each module builds without the workspace'
	@for module in $(MODULES); do (cd $$module && GOWORK=off go build ./...) || exit 1; done

vulnerabilities: $(BIN)/govulncheck
	@echo 'check: vulnerabilities'
	@deploy/scripts/vulnerabilities $(BIN)/govulncheck $(PACKAGES)

# A tool is built again when deploy/tools pins another version.
$(BIN)/%: $(TOOLS)/go.mod $(TOOLS)/go.sum
	@echo 'build: $*'
	@cd $(TOOLS) && GOWORK=off go build -o $@ $$(GOWORK=off go list tool | grep '/$*$$')
