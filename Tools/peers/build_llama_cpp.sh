#!/bin/sh
# Builds llama.cpp's own tools for this machine, to compare with: llama-bench, llama-completion, llama-quantize,
# llama-imatrix, llama-perplexity.
#
#     Tools/peers/build_llama_cpp.sh [FOLDER]     default: ${XDG_CACHE_HOME:-~/.cache}/pith/peers
#
# The source is the one inside the Python package llama-cpp-python (from PyPI), and so is cmake; a C++ compiler must be there.
# VERSION chooses the package's version, JOBS how many compilers run at once. Prints the folder of the programs.
# A second run rebuilds only what changed.
set -eu

version=${VERSION:-0.3.36}
folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/pith/peers}
mkdir -p "$folder"
cd "$folder"

[ -x venv/bin/cmake ] || { python3 -m venv venv && venv/bin/pip install --quiet cmake; } >&2

source=llama_cpp_python-$version
if [ ! -d "$source" ]; then
    # From source is asked of this package alone: pip would otherwise also compile cmake from its source.
    venv/bin/pip download --quiet --no-deps --no-binary llama-cpp-python "llama-cpp-python==$version" >&2
    mkdir unpacking
    tar -xzf "$source.tar.gz" -C unpacking
    mv "unpacking/$source" .
    rmdir unpacking
fi

venv/bin/cmake -S "$source/vendor/llama.cpp" -B "build-$version" -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF \
    -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_APP=OFF \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF >&2
nice -n 10 venv/bin/cmake --build "build-$version" --config Release -j "${JOBS:-2}" \
    --target llama-bench llama-completion llama-quantize llama-imatrix llama-perplexity >&2

echo "$folder/build-$version/bin"
