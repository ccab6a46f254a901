#!/bin/sh
# venv.sh AIRFLOW_VERSION [PYTHON [EXTRA]]
#
# Installs Airflow, this package (editable), its sandbox and its development tools into
# .venv/airflow-AIRFLOW_VERSION, with the releases pinned in constraints/. With EXTRA, also
# installs this extra of the package. Needs only Python and pip. If everything is installed, it
# exits within some hundredths of a second. It installs again if pyproject.toml, the constraints,
# PYTHON or the path of the repository has changed, or if the last installation did not finish.
set -eu
cd "$(dirname "$0")/.."

airflow=$1
python=${2:-}
extra=${3:-}

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

input=constraints/airflow-$airflow.in
constraints=constraints/airflow-$airflow.txt
if [ ! -f "$input" ] || [ ! -f "$constraints" ]; then
    known=
    for file in constraints/airflow-*.txt; do
        known="${known:+$known, }$(basename "$file" .txt | sed 's/^airflow-//')"
    done
    fail "No constraints for Airflow $airflow; use one of $known." \
        "To add a version, write $input like the existing files and run 'make constraints'."
fi
pythons=$(sed -n 's/^# python: *//p' "$input")

# --- Find a Python -----------------------------------------------------------
# Prints the installation prefix and version of the interpreter $1. Returns 1 if it does not start,
# if this Airflow does not support it, or if it cannot create virtual environments. (The interpreter
# is run because version managers put commands on the PATH for versions that are not installed.)
interpreter() {
    "$1" -c '
import ensurepip, sys, venv
version = "%d.%d" % sys.version_info[:2]
print(sys.base_prefix, version) if version in sys.argv[1:] else sys.exit(1)
' $pythons 2>/dev/null
}

if [ -n "$python" ]; then
    interpreter "$python" >/dev/null || fail \
        "PYTHON=$python cannot be used: $("$python" --version 2>&1 | head -n 1)." \
        "Airflow $airflow needs one of Python $pythons, with the modules venv and ensurepip" \
        "(Debian, Ubuntu: apt install python3-venv)."
fi

# --- Check the existing installation -----------------------------------------
venv=.venv/airflow-$airflow
bin=$venv/bin/python
stamp=$venv/installed
mark=$stamp${extra:+-$extra}

usable=no # whether there is a virtual environment that pip can update
if [ -f "$stamp" ] && [ "$(sed -n 2p "$stamp")" = "$(pwd)" ] && "$bin" -c 'import pip' 2>/dev/null; then
    if [ -z "$python" ] || [ "$(interpreter "$python")" = "$(interpreter "$bin")" ]; then
        usable=yes
    fi
fi
inputs=$(cat pyproject.toml "$constraints" | cksum)
if [ $usable = yes ] && [ -f "$mark" ] && [ "$(sed -n 1p "$mark")" = "$inputs" ]; then
    exit 0
fi

# --- Install -----------------------------------------------------------------
if [ $usable = no ] && [ -z "$python" ]; then
    for candidate in python3 python3.13 python3.12 python3.11 python3.10 python; do
        if interpreter "$candidate" >/dev/null; then
            python=$candidate
            break
        fi
    done
    [ -n "$python" ] || fail \
        "No supported Python on the PATH: Airflow $airflow needs one of Python $pythons, with the" \
        "modules venv and ensurepip. Install one (Debian, Ubuntu: apt install python3 python3-venv)," \
        "or pass its path: make ... PYTHON=/path/to/python3."
fi

log=.venv/airflow-$airflow.log
run() {
    "$@" >>"$log" 2>&1 </dev/null || {
        cat "$log" >&2
        fail "" "The installation into $venv failed; its output is above."
    }
}

mkdir -p .venv
: >"$log"
if [ $usable = no ]; then
    echo "Installing Airflow $airflow and this package into $venv (a minute or two) ..."
    rm -rf "$venv"
    run "$python" -m venv "$venv"
else
    echo "Updating $venv (a few seconds) ..."
    rm -f "$mark"
fi
run "$bin" -m pip --disable-pip-version-check --no-input install --progress-bar off \
    -c "$constraints" -e ".[dev${extra:+,$extra}]" "apache-airflow==$airflow"
printf '%s\n%s\n' "$inputs" "$(pwd)" >"$mark"
