#!/usr/bin/env bash
# Builds the web UI (webui/dist), which the next build of millrace embeds. Quick when nothing has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

case ${1:-} in
  -h | --help)
    cat <<'HELP'
Usage: scripts/webui.sh

Needs Node 18 or newer and npm, which fetches what webui/package-lock.json names. Without Node nothing is
built, and millrace says so on the page where the web UI would be.
HELP
    exit ;;
  '') ;;
  *) die "unknown argument: $1" ;;
esac

if ! command -v npm >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)" -lt 18 ]; then
  say "There is no Node 18 here: millrace will be without its web UI."
  exit 0
fi
cd webui
sources=$(git ls-files -co --exclude-standard . 2>/dev/null | grep -v '^absent/' || find src public index.html package*.json tsconfig.json vite.config.ts -type f)
state=$(printf '%s\n' "$sources" | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum | cut -d' ' -f1)
[ -e dist/index.html ] && [ "$(cat dist.state 2>/dev/null)" = "$state" ] && exit 0
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund --loglevel=error
fi
npm run --silent build
printf '%s\n' "$state" >dist.state
