# Shared by quickstart, test and scripts/deps.sh: messages and timed steps. Sourced, never run.

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m'
else bold='' red='' dim='' plain=''; fi

say() { printf '%s\n' "$*"; }
die() { printf '%serror:%s %s\n' "$red$bold" "$plain" "$1" >&2; shift; printf '  %s\n' "$@" >&2; exit 1; }
# What is fetched and learnt, kept outside of the tree.
cache_folder() { printf '%s\n' "${MILLRACE_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/millrace}"; }
now_ms() { date +%s%3N; }
seconds_since() { local ms=$(($(now_ms) - $1)); printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100)); }

jobs() { # one a core, but no more than memory allows: DuckDB's headers take 1.5 GB a compiler
  local cores memory_gb
  cores=$(nproc)
  memory_gb=$(awk '/MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
  [ "$memory_gb" -lt 1 ] && memory_gb=1
  echo $((cores < memory_gb ? cores : memory_gb))
}

# GCC 12 is the oldest that works; Ubuntu 22.04 has it beside an older default.
choose_compiler() {
  [ -n "${CXX:-}" ] && return
  local candidate major
  # First the one that CMake takes by itself: ccache and lint.py know a compiler by its name.
  if [[ $(c++ --version 2>/dev/null) == *"Free Software"* ]] && [ "$(c++ -dumpversion | cut -d. -f1)" -ge 12 ]; then
    export CXX=c++ CC=cc
    return
  fi
  for candidate in g++ g++-14 g++-13 g++-12; do
    command -v "$candidate" >/dev/null || continue
    major=$("$candidate" -dumpversion | cut -d. -f1)
    if [ "$major" -ge 12 ]; then export CXX=$candidate CC=${candidate/g++/gcc}; return; fi
  done
}

# build PRESET: configures and builds; says in a line what was not needed.
build() {
  choose_compiler
  cmake --preset "$1" >"build/$1.configure.log" 2>&1 || { cat "build/$1.configure.log"; return 1; }
  cmake --build "build/$1" -j "$(jobs)"
}
