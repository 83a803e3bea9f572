# Usage: sh scripts/mail-tools.sh   Makes sure that there are the programs that tests and `make bench` read mails with.
missing=
for name in lynx spamassassin; do
    command -v "$name" >/dev/null 2>&1 || missing="$missing $name"
done
[ -z "$missing" ] && exit 0
# shellcheck disable=SC2086 # a list of packages
exec sh "$(dirname "$0")/apt-install.sh" "mails are read and judged with them in tests" $missing
