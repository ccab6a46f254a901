#!/bin/sh
# docs-venv.sh [PYTHON]
#
# Makes .venv/docs hold what builds the documentation, as pinned in constraints/docs.txt. Airflow is not
# needed: the sources are read, not imported. If everything is up to date it does nothing. It installs again
# if the pins, PYTHON or the path of the repository changed, and after an interrupted installation.
set -eu
cd "$(dirname "$0")/.."

python=${1:-}
venv=.venv/docs
stamp=$venv/installed
log=.venv/docs.log

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

usable() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

inputs=$(printf '%s\n%s\n%s\n' "$(cksum <constraints/docs.txt)" "$(pwd)" "$python")
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$inputs" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

if [ -z "$python" ]; then
    for candidate in python3 python3.13 python3.12 python3.11 python3.10 python; do
        if usable "$candidate"; then
            python=$candidate
            break
        fi
    done
    [ -n "$python" ] || fail "The documentation needs Python 3.10 to 3.13 with its modules venv and ensurepip."
elif ! usable "$python"; then
    fail "PYTHON=$python cannot be used: the documentation needs Python 3.10 to 3.13 with venv and ensurepip."
fi

echo "Installing the documentation tools into $venv: less than a minute, once."
mkdir -p .venv
rm -rf "$venv"
{
    "$python" -m venv "$venv" &&
        "$venv/bin/python" -m pip --disable-pip-version-check --no-input install --progress-bar off \
            -r constraints/docs.txt
} >"$log" 2>&1 </dev/null || {
    cat "$log" >&2
    fail "" "The installation into $venv failed. Its output is above."
}
printf '%s\n' "$inputs" >"$stamp"
