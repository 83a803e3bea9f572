# Usage: sh scripts/postfix.sh   Makes sure that postfix's smtp-sink and smtp-source are there, which `make bench` sends to.
PATH="$PATH:/usr/sbin:/usr/libexec/postfix"
command -v smtp-sink >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v debconf-set-selections >/dev/null 2>&1; then
    echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
fi
exec sh "$(dirname "$0")/apt-install.sh" "smtp-sink and smtp-source are what delivery is measured against" postfix
