#!/usr/bin/env bash
# Builds fastnn with every compiler that is installed, each into an environment of its own, and compares their speed.
#
#   bench/compilers.sh [--tests] [--folder DIR] [COMPILER ...] [-- options of bench/builds.py]
#
# --tests runs all tests with each build first. Without names: every gcc and clang of a supported version.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tests=no
folder=build-compilers # "make" may empty build
compilers=()
while [ $# -gt 0 ]; do
    case $1 in
        --tests) tests=yes ;;
        --folder) folder=$2; shift ;;
        --) shift; break ;;
        *) compilers+=("$1") ;;
    esac
    shift
done
if [ ${#compilers[@]} = 0 ]; then
    for compiler in gcc-{11..19} clang-{14..30}; do
        if command -v "$compiler" > /dev/null; then compilers+=("$compiler"); fi
    done
fi
[ ${#compilers[@]} != 0 ] || { echo 'no gcc-11 or newer, no clang-14 or newer: name a compiler' >&2; exit 1; }

builds=()
for compiler in "${compilers[@]}"; do
    home=$folder/${compiler##*/}
    source=$home/source # a copy: objects of another compiler would count as up to date
    python=$home/env/bin/python
    echo "=== $compiler: $("$compiler" --version | head -n 1)" >&2
    mkdir -p "$source"
    [ -x "$python" ] || "${PYTHON:-python3}" -m venv "$home/env"
    rm -rf "$source/fastnn" "$source/kernels"
    cp -rp setup.py pyproject.toml README.md LICENSE MANIFEST.in fastnn kernels "$source"
    CC=$compiler "$python" -m pip install --quiet --disable-pip-version-check "$source[test]"
    if [ $tests = yes ]; then PYTHONSAFEPATH=1 "$python" -m pytest -q tests; fi
    builds+=("${compiler##*/}=$python")
done
"${builds[0]#*=}" bench/builds.py "$@" "${builds[@]}"
