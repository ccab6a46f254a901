#!/bin/sh
# venv.sh AIRFLOW_VERSION [PYTHON [EXTRA]]
#
# Makes .venv/airflow-AIRFLOW_VERSION hold that Airflow, this package (editable) and
# its sandbox and development tools, as pinned in constraints/; with EXTRA, this extra of
# the package as well, once the rest is there. Needs only Python and pip. Where all is
# there already it does nothing, in some hundredths of a second. It installs again when
# pyproject.toml, the constraints, PYTHON or the path of the repository changed, and
# after an installation that was broken off.
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
    fail "There are no constraints for Airflow $airflow. There are for: $known." \
        "For another one write $input like its neighbours, then run 'make constraints'."
fi
pythons=$(sed -n 's/^# python: *//p' "$input")

# --- Which Python ------------------------------------------------------------
# Which interpreter is behind the command $1. Nothing, and status 1, if it does not start,
# if this Airflow does not support it, or if it cannot make virtual environments. (It must
# be run: a version manager puts names on the PATH that stand for nothing.)
interpreter() {
    "$1" -c '
import ensurepip, sys, venv
version = "%d.%d" % sys.version_info[:2]
print(sys.base_prefix, version) if version in sys.argv[1:] else sys.exit(1)
' $pythons 2>/dev/null
}

if [ -n "$python" ]; then
    interpreter "$python" >/dev/null || fail \
        "PYTHON=$python will not do: $("$python" --version 2>&1 | head -n 1)." \
        "Airflow $airflow needs one of Python $pythons, with its modules venv and ensurepip" \
        "(Debian, Ubuntu: apt install python3-venv)."
fi

# --- Is all there already ----------------------------------------------------
venv=.venv/airflow-$airflow
bin=$venv/bin/python
stamp=$venv/installed
mark=$stamp${extra:+-$extra}

usable=no # is there a venv that pip can bring up to date
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
        "Airflow $airflow needs one of Python $pythons, with its modules venv and ensurepip, and there" \
        "is none on the PATH. Install one (Debian, Ubuntu: apt install python3 python3-venv), or name" \
        "one: make ... PYTHON=/path/to/python3."
fi

log=.venv/airflow-$airflow.log
run() {
    "$@" >>"$log" 2>&1 </dev/null || {
        cat "$log" >&2
        fail "" "The installation into $venv failed. All that it printed stands above."
    }
}

mkdir -p .venv
: >"$log"
if [ $usable = no ]; then
    echo "Installing Airflow $airflow and this package into $venv: a minute or two, once."
    rm -rf "$venv"
    run "$python" -m venv "$venv"
else
    echo "Bringing $venv up to date: some seconds."
    rm -f "$mark"
fi
run "$bin" -m pip --disable-pip-version-check --no-input install --progress-bar off \
    -c "$constraints" -e ".[dev${extra:+,$extra}]" "apache-airflow==$airflow"
printf '%s\n%s\n' "$inputs" "$(pwd)" >"$mark"
