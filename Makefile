# The commands of the project; `make` alone lists them.
PITH := .build/release/pith
TEXT := Tests/Fixtures/texts/wikitext2.txt

.PHONY: help demo train-demo test bench format lint build study-quantization study-sparsity study-distillation study-small compare-quantization compare-pruning \
	compare-training

help:
	@echo "make demo     shrink a real language model and show what that saved and what it cost"
	@echo "make train-demo TEXT=file  train a character model for ten minutes, and a student with a quarter of its parameters"
	@echo "make test     check the style, build, and run all tests"
	@echo "make bench    time the kernels"
	@echo "make study-quantization DATA=folder   every method on one model: docs/quantization.md (hours; goes on where it was)"
	@echo "make study-sparsity DATA=folder       the same for pruning: docs/sparsity.md (hours; the same)"
	@echo "make study-distillation DATA=folder ENCODER=folder of all-MiniLM-L6-v2: students of every shape: docs/distillation.md (two hours; goes on where it was)"
	@echo "make study-small DATA=folder ENCODER=folder   models that learn to be small: docs/learning-to-be-small.md (hours; goes on where it was)"
	@echo "make compare-quantization DATA=folder the same through other quantizers, beside ours: docs/comparison.md (hours; the same)"
	@echo "make compare-pruning DATA=folder      llm-compressor's pruning beside ours: docs/comparison.md (half an hour)"
	@echo "make compare-training DATA=folder ENCODER=folder of all-MiniLM-L6-v2: PyTorch's training beside ours (an hour)"
	@echo "make format   format the sources"
	@echo "make lint     check the style"

build:
	@Tools/install.sh
	swift build -c release --product pith

demo: build
	@python3 Tools/demo.py --pith $(PITH)

train-demo: build
	@python3 Tools/train_demo.py --pith $(PITH) --text "$(TEXT)"

# Tests run optimized, as users run Pith, in a build folder of their own: they need hidden symbols.
test:
	@Tools/install.sh
	@$(MAKE) --no-print-directory lint
	swift test -c release --scratch-path .build-test -Xswiftc -enable-testing

study-quantization: build
	@python3 Tools/study_quantization.py --pith $(PITH) --data "$(DATA)"

study-sparsity: build
	@python3 Tools/study_sparsity.py --pith $(PITH) --data "$(DATA)"

study-distillation: build
	@python3 Tools/study_distillation.py --pith $(PITH) --data "$(DATA)" --encoder "$(ENCODER)"

study-small: build
	@python3 Tools/study_small.py --pith $(PITH) --data "$(DATA)" --encoder "$(ENCODER)"

compare-quantization: build
	@python3 Tools/peers/compare_quantization.py --pith $(PITH) --data "$(DATA)"

compare-pruning: build
	@python3 Tools/peers/compare_pruning.py --pith $(PITH) --data "$(DATA)"

compare-training: build
	@python3 Tools/peers/compare_training.py --pith $(PITH) --data "$(DATA)" --encoder "$(ENCODER)"
	@python3 Tools/peers/compare_training.py --pith $(PITH) --data "$(DATA)" --encoder "$(ENCODER)" --accuracy

bench:
	@Tools/install.sh
	cd Benchmarks && swift run -c release

format:
	swift format --in-place --recursive Package.swift Sources Tests Benchmarks/Package.swift Benchmarks/Sources

lint:
	swift format lint --strict --recursive Package.swift Sources Tests Benchmarks/Package.swift Benchmarks/Sources
