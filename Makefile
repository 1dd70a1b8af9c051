# Every verb sets up .venv by itself when it is missing. Another interpreter takes another place:
#   make test PYTHON=python3.13 VENV=build/venv-3.13
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
LINKS  := build/types/minibroker
PARTS  := protocol broker client testing console cli
JOBS   ?= 4
# Tests start some hundred processes: where the environment forbids to keep bytecode, each of them
# would compile all of this anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: $(shell sed -nE 's/^([a-z-]+):.*## .*/\1/p' Makefile)

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 12

setup: $(READY) ## make .venv with everything development needs

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "minibroker needs Python 3.11 or newer; set PYTHON=python3.12 or similar")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

fmt: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(READY) ## ruff, without changing anything
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

$(LINKS): Makefile
	@mkdir -p $(LINKS)
	@for part in $(PARTS); do ln -sfn ../../../$$part $(LINKS)/$$part; done

types: $(READY) $(LINKS) ## mypy --strict on everything
	$(BIN)/mypy $(PARTS:%=-p minibroker.%)
	$(BIN)/mypy tests

test: $(READY) ## the fast tests, in parallel (JOBS=4)
	$(BIN)/pytest -n $(JOBS) --dist worksteal \
	    -m 'not crash and not interop and not bench and not docker' $(ARGS)

crash: $(READY) ## kill -9 a broker under load, again and again (RUNS=40 SEED=1 KIND=writers|transactions|sessions)
	$(BIN)/python -m tests.crash $(or $(RUNS),40) $(or $(SEED),1) $(KIND)
	$(if $(KIND),,$(BIN)/pytest -m crash tests/crash $(ARGS))

crash-sessions: $(READY) ## kill a producer with a durable session, again and again (RUNS=200 SEED=1 ON=ours|kafka|kafka-3)
	$(BIN)/python -m tests.crash.sessions $(or $(RUNS),200) $(or $(SEED),1) $(or $(ON),ours)

million: $(READY) ## lines through `produce --session`, killed 20 times, the broker 5 times (LINES=1000000 SEED=1)
	$(BIN)/python -m tests.crash.sessions.million $(or $(LINES),1000000) $(or $(SEED),1)

process: $(READY) ## workers of process() killed at random, on ours or on SERVERS (RUNS=200 SEED=1)
	$(BIN)/python -m tests.crash.processing $(or $(RUNS),200) $(or $(SEED),1) $(SERVERS)

process-kafka: $(READY) ## the same on a real Kafka, whose nodes are killed too (RUNS=10 SEED=1 NODES=3)
	$(BIN)/python -m tests.crash.processing.on_kafka $(or $(RUNS),10) $(or $(SEED),1) $(or $(NODES),3)

restore: $(READY) ## make backups and put them back under load, again and again (RUNS=100 SEED=1)
	$(BIN)/python -m tests.crash.restoring $(or $(RUNS),100) $(or $(SEED),1)

sim-disk: $(READY) ## a broker on a disk that loses power, from seeds (RUNS=2000 SEED=0)
	$(BIN)/python -m tests.simulation.disk $(or $(RUNS),2000) $(or $(SEED),0)

sim-txn: $(READY) ## transactions in simulated worlds with crashes, from seeds (RUNS=3000 SEED=0)
	$(BIN)/python -m tests.simulation.transactions $(or $(RUNS),3000) $(or $(SEED),0)

sim-session: $(READY) ## a durable session through deaths of its producer and its broker (RUNS=3000 SEED=0)
	$(BIN)/python -m tests.simulation.sessions $(or $(RUNS),3000) $(or $(SEED),0)

drill: $(READY) ## plant bugs, one at a time: each must be caught by sim-disk or sim
	$(BIN)/python -m tests.drill

damage: $(READY) ## cut and flip a data directory everywhere, count what comes of it (FLIPS=2000 SEED=0)
	$(BIN)/python -m tests.simulation.damage $(or $(FLIPS),2000) $(or $(SEED),0)

fuzz: $(READY) ## spoilt frames at the codec and at a broker with a good client beside them (MINUTES=2 SEED=1)
	$(BIN)/python -m tests.fuzz $(or $(MINUTES),2) $(or $(SEED),1)

hostile: $(READY) ## rude peers, each beside a good client (SECONDS=60 SEED=1, or MINUTES=30 at random)
	$(BIN)/python -m tests.hostile $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) \
	    $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

soak: $(READY) ## all Python clients for long, through random connection cuts (MINUTES=10 SEED=1)
	$(BIN)/python -m tests.soak $(or $(MINUTES),10) $(or $(SEED),1)

interop: $(READY) ## foreign clients, and a real Apache Kafka where java and mvn are present
	$(BIN)/pytest -m interop tests/interop $(ARGS)

graduate: $(READY) ## from ours to three nodes of Apache Kafka under load (RATE=100 SEED=1 NODES=3 PAUSE=5)
	RATE=$(or $(RATE),100) SEED=$(or $(SEED),1) NODES=$(or $(NODES),3) PAUSE=$(or $(PAUSE),5) \
	    $(BIN)/pytest -n 0 -m interop -s tests/interop/commands/test_graduation.py $(ARGS)

graduate-back: $(READY) ## the way back, from Apache Kafka to ours under load (RATE=100 SEED=1)
	RATE=$(or $(RATE),100) SEED=$(or $(SEED),1) \
	    $(BIN)/pytest -n 0 -m interop -s tests/interop/commands/test_graduation_back.py $(ARGS)

compare: $(READY) ## a million records in two brokers compared, beside two consumers that read them (RECORDS=1000000)
	$(BIN)/python -m tests.bench.parts.comparing $(or $(RECORDS),1000000)

txn-clients: $(READY) ## seven clients' transactions through lost answers and kill -9 (N=1000 SEED=1)
	N=$(or $(N),1000) SEED=$(or $(SEED),1) $(BIN)/pytest -m interop -s \
	    tests/interop/transactional_clients $(ARGS)

sim: $(READY) ## the producer in simulated worlds, judged by its history (RUNS=5000 SEED=0)
	$(BIN)/python -m tests.simulation.producer $(or $(RUNS),5000) $(or $(SEED),0)
	$(BIN)/python -m tests.simulation.our_transactions $(or $(RUNS),3000) $(or $(SEED),0)

whole: $(READY) ## the fast tests whose loops are cut down (tests/support/sizes.py), at full length
	WHOLE=1 $(BIN)/pytest -n $(JOBS) --dist worksteal \
	    $(shell grep -rl 'tests.support.sizes import' tests --include='test_*.py') $(ARGS)

parity: $(READY) ## what is compiled for each message against its tree and kio (EXAMPLES=100)
	EXAMPLES=$(or $(EXAMPLES),100) $(BIN)/pytest -n $(JOBS) tests/property/test_codec_parity.py $(ARGS)

lies: $(READY) ## our client against a broker that alters each field of each answer, in turn
	ALL_LIES=1 $(BIN)/pytest -n $(JOBS) tests/system/client/test_lying_broker.py $(ARGS)

build/axe/node_modules/axe-core/axe.min.js:
	@command -v npm > /dev/null || { echo "console-check: needs npm, to fetch axe-core" >&2; exit 2; }
	npm install --silent --no-fund --no-audit --prefix build/axe axe-core@4

console-check: $(READY) build/axe/node_modules/axe-core/axe.min.js ## each page of the console in Chromium, pictures in build/pictures (ARGS='ours small')
	$(BIN)/python -m pip install --quiet --disable-pip-version-check playwright
	AXE=build/axe/node_modules/axe-core/axe.min.js \
	    $(BIN)/python -m tests.interop.console.check build/pictures $(ARGS)

console-load: $(READY) ## the console driven over HTTP, and a producer beside it (ARGS='ours small seconds=20')
	$(BIN)/python -m tests.interop.console.load $(ARGS)

docker: $(READY) ## build the image and play through docker-compose.yml, where an engine runs
	$(BIN)/pytest -m docker -s tests/system/commands/test_docker_compose.py $(ARGS)

bench: $(READY) ## measure beside a real Apache Kafka, or an earlier build (ARGS='--against WHEEL')
	$(BIN)/python -m tests.bench $(ARGS)

bench-client: $(READY) ## our client beside aiokafka, kafka-python and confluent-kafka (ARGS='--sizes 100')
	$(BIN)/python -m tests.bench.client $(ARGS)

lessons: $(READY) ## moves at random in the lesson of the console: what is drawn must be so (RUNS=500 SEED=1)
	$(BIN)/python -m tests.lessons $(or $(RUNS),500) $(or $(SEED),1)

blocking: $(READY) ## write client/blocking.py anew from the asyncio faces
	$(BIN)/python -m tests.support.pages.blocking_face

docs: $(READY) ## the site of these pages in build/site, links checked
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	$(BIN)/mkdocs build --strict --quiet

wire: $(READY) ## print a message's construct tree and compiled source: make wire API=Produce V=9
	$(BIN)/python -m minibroker.protocol.codec.compiler $(API) $(V)

demo: $(READY) ## the main job, seen: lost acknowledgements, every record stored once
	$(BIN)/minibroker demo $(ARGS)

run: $(READY) ## a broker on 127.0.0.1:9092
	$(BIN)/minibroker serve $(ARGS)

check: lint types test ## what must hold before anything lands, some hundred simulated worlds included

clean: ## remove what was built
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
