# Usage: sh scripts/apt-install.sh WHY PACKAGE...   Installs Debian packages, or says what to install and fails.
why=$1
shift
if [ "$(id -u)" = 0 ]; then run=; elif command -v sudo >/dev/null 2>&1; then run="sudo -n"; else run=none; fi
if [ "$run" = none ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing: $*. $why. Install it with your system's package manager and run this again." >&2
    exit 1
fi
echo "Installing $* ($why) ..." >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! { $run apt-get update -qq && $run apt-get install -y -qq --no-install-recommends "$@"; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "Could not install $*. $why. Install it by hand and run this again." >&2
    exit 1
fi
rm -f "$log"
