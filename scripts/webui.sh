#!/usr/bin/env bash
# Builds the web UI (webui/dist), which the next build of millrace embeds. Quick when nothing has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

archive=
case ${1:-} in
  -h | --help)
    cat <<'HELP'
Usage: scripts/webui.sh [--from ARCHIVE]

Needs Node 18 or newer and npm, which fetches what webui/package-lock.json names. Without Node, the built UI
is taken out of the archive of a release (cpack makes it: CONTRIBUTING.md), when one lies in this folder, in
build/package or in the cache (~/.cache/millrace). Without both nothing is built, and millrace says so on the
page where the web UI would be.

  --from ARCHIVE   take it out of this one, even if there is Node
HELP
    exit ;;
  --from) archive=$(cd "$OLDPWD" && realpath "${2:?--from wants an archive}") ;;
  '') ;;
  *) die "unknown argument: $1" ;;
esac

# take_from ARCHIVE: the built UI of a release, in place of one that is built here.
take_from() {
  local fresh
  fresh=$(mktemp -d webui/dist.XXXXXX)
  tar -xzf "$1" -C "$fresh" --strip-components=4 --wildcards '*/share/millrace/webui/*' 2>/dev/null && [ -e "$fresh/index.html" ] ||
    { rm -rf "$fresh"; die "$1 has no web UI: it is not the archive of a release, or was made without Node"; }
  chmod 755 "$fresh"
  rm -rf webui/dist webui/dist.state
  mv "$fresh" webui/dist
  say "The web UI is that of $1."
}
if [ -n "$archive" ]; then take_from "$archive"; exit; fi
if ! command -v npm >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)" -lt 18 ]; then
  for archive in millrace-*-linux-*.tar.gz build/package/millrace-*-linux-*.tar.gz "$(cache_folder)"/millrace-*-linux-*.tar.gz; do
    if [ -e "$archive" ]; then take_from "$archive"; exit; fi
  done
  say "There is neither Node 18 here nor the archive of a release: millrace will be without its web UI."
  exit 0
fi
cd webui
sources=$(git ls-files -co --exclude-standard . 2>/dev/null | grep -v '^absent/' || find src public index.html package*.json tsconfig.json vite.config.ts -type f)
state=$(printf '%s\n' "$sources" ../src/control/contract.json | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum | cut -d' ' -f1)
[ -e dist/index.html ] && [ "$(cat dist.state 2>/dev/null)" = "$state" ] && exit 0
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund --loglevel=error
fi
npm run --silent build
printf '%s\n' "$state" >dist.state
