# Usage: sh scripts/python.sh PYTHON FOLDER   Makes a virtual environment with a Python of 3.11 or newer.
set -e
here=$(dirname "$0")
python=$1
folder=$2
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    if command -v "$python" >/dev/null 2>&1; then
        echo "$python is older than 3.11. Name a newer one: make PYTHON=python3.12 ..." >&2
        exit 1
    fi
    sh "$here/apt-install.sh" "the project is written in Python" python3 python3-venv
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    sh "$here/apt-install.sh" "a virtual environment needs it" python3-venv
fi
echo "Setting up $folder, once; this takes a minute or two ..." >&2
[ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
