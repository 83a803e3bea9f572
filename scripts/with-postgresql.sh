# Usage: sh scripts/with-postgresql.sh COMMAND...
# Runs a command with TEST_POSTGRESQL_URL naming a throw-away PostgreSQL server on loopback.
set -e
here=$(dirname "$0")

find_initdb() {
    for bin in /usr/lib/postgresql/*/bin /usr/local/pgsql/bin; do
        [ -x "$bin/initdb" ] && found=$bin
    done
    [ -n "$found" ] || { command -v initdb >/dev/null 2>&1 && found=$(dirname "$(command -v initdb)"); }
    [ -n "$found" ]
}

found=
find_initdb || sh "$here/apt-install.sh" "the tests use a real one" postgresql
find_initdb || { echo "PostgreSQL's initdb was not found. Install postgresql and run this again." >&2; exit 1; }

if [ -n "$TEST_POSTGRESQL_URL" ]; then
    exec "$@"
fi

folder=$(mktemp -d /tmp/newsletter-postgresql.XXXXXX)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# The server refuses to run as root, so root hands it to the account that Debian's package makes.
if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder"
    as() { su postgres -s /bin/sh -c "$1"; }
else
    as() { sh -c "$1"; }
fi
end() {
    as "'$found/pg_ctl' -D '$folder/data' -m immediate stop" >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap end EXIT
trap 'exit 130' INT TERM
as "'$found/initdb' -D '$folder/data' -U newsletter --auth trust --encoding UTF8 --locale C.UTF-8" >"$folder.log" 2>&1 \
    && as "'$found/pg_ctl' -D '$folder/data' -w -l '$folder/log' \
        -o '-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$folder -c fsync=off -c max_connections=200' start" \
        >>"$folder.log" 2>&1 \
    || { cat "$folder.log" >&2; echo "PostgreSQL could not be started for the tests; its words are above." >&2; exit 1; }
rm -f "$folder.log"
export TEST_POSTGRESQL_URL="postgresql://newsletter@127.0.0.1:$port/postgres"
"$@"
