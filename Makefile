.PHONY: help build unit test lab lab-down lint

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the program, as one static binary
	CGO_ENABLED=0 go build -trimpath ./cmd/reforest

unit: ## linter and the tests that need no server
	scripts/test unit

test: ## everything, against real servers too (Debian, root)
	scripts/test

lab: ## start two Samba forests and two Dovecot servers (root)
	scripts/lab/up

lab-down: ## stop them
	scripts/lab/down

lint: ## the linter alone
	.tools/golangci-lint run ./...
