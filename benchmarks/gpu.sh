#!/bin/bash
# Compares a GPU with the processor: trains model5 at 128 pixels, extracts features of 1,000 points, and classifies. Under
# four minutes. Without a GPU it ends at once and says so; --dry-run tries it out on the processor, with little to do.
# PYTHON names the Python of an environment with spacer_like and a torch for CUDA; default: that of `make env`.
set -eu -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-.venv/bin/python}" -m benchmarks.gpu "$@"
