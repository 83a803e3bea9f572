# Usage: sh scripts/chromium.sh   Makes sure that there is a Chromium for pictures and browser tests, and fonts for it.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
exec sh "$(dirname "$0")/apt-install.sh" "pictures of mails and pages are drawn with it" chromium fonts-liberation fonts-noto-core fonts-ipafont-gothic
