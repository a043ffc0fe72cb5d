#!/usr/bin/env bash
# Formats all of our C++; with --check, only says what it would change and fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
format=$(scripts/deps.sh --print-tool clang-format)
mapfile -t files < <(for dir in src tests bench fuzz; do
  if [ -d "$dir" ]; then find "$dir" -name '*.cc' -o -name '*.h'; fi; done | sort)
[ ${#files[@]} = 0 ] && { echo "no C++ files"; exit; }
case ${1:-} in
  --check) "$format" --dry-run -Werror "${files[@]}" ;;
  '') "$format" -i "${files[@]}" ;;
  *) echo "Usage: scripts/format.sh [--check]" >&2; exit 2 ;;
esac
