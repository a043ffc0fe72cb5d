#!/usr/bin/env bash
# Installs and fetches what millrace is built with. Safe to run again: what is there is left alone.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib.sh"
. "$here/versions.sh"
cache=$(cache_folder)

usage() {
  cat <<HELP
Usage: scripts/deps.sh [build|test] [--dry-run]

  build            what building and running needs (the default)
  test             that, and what ./test needs: GoogleTest, clang-format 19, clang-tidy $CLANG_TIDY_VERSION,
                   clang 19 with libFuzzer
  --dry-run        say what is missing and stop
  --print-duckdb-root, --print-librdkafka-root, --print-tool clang-format|clang-tidy|clang++
                   where DuckDB, librdkafka or a tool is (for CMake and scripts)

System packages come from apt. The DuckDB library and librdkafka's source come from npm, DuckDB's C++
headers and clang-tidy from PyPI; all are checked against scripts/checksums.txt and kept in
$cache (set MILLRACE_CACHE for another place).

DUCKDB_ROOT=<folder>      use your own DuckDB $DUCKDB_VERSION: lib/libduckdb.so and include/duckdb/
LIBRDKAFKA_ROOT=<folder>  use your own librdkafka, 2.6.1 or newer: lib/librdkafka.{a,so} and include/librdkafka/
HELP
}

case "$(uname -m)" in
  x86_64 | amd64) arch=x64 wheel_platform=manylinux_2_27_x86_64.manylinux_2_28_x86_64 ;;
  aarch64 | arm64) arch=arm64 wheel_platform=manylinux_2_26_aarch64.manylinux_2_28_aarch64 ;;
  *) die "no DuckDB library is published for $(uname -m)" "Build DuckDB $DUCKDB_VERSION yourself and set DUCKDB_ROOT." ;;
esac
duckdb_root=${DUCKDB_ROOT:-$cache/duckdb-$DUCKDB_NODE_VERSION-linux-$arch}
librdkafka_root=${LIBRDKAFKA_ROOT:-$cache/librdkafka-$LIBRDKAFKA_VERSION-linux-$arch}
clang_tidy_root=$cache/clang-tidy-$CLANG_TIDY_VERSION-linux-$arch

# ---- What is missing ---------------------------------------------------------------------------
missing=() # "package<TAB>why"
need() { # need PACKAGE WHY PROBE...: PROBE succeeds when it is there, however it got there
  local package=$1 why=$2
  shift 2
  "$@" >/dev/null 2>&1 || missing+=("$package"$'\t'"$why")
}
has_package() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
has_apt() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }
has_header() { # works with and without dpkg
  printf '#include <%s>\n' "$1" | "${CXX:-g++}" -std=c++20 -E -x c++ - >/dev/null 2>&1
}
has_gcc() { choose_compiler; [ -n "${CXX:-}" ]; }
has_duckdb() { # the library and its headers; CMake asks it for its version
  [ -e "$duckdb_root/lib/libduckdb.so" ] || [ -e "$duckdb_root/lib64/libduckdb.so" ] || [ -e "$duckdb_root/libduckdb.so" ] &&
    { [ -e "$duckdb_root/include/duckdb/planner/planner.hpp" ] || [ -e "$duckdb_root/src/include/duckdb/planner/planner.hpp" ]; }
}
has_librdkafka() {
  [ -e "$librdkafka_root/include/librdkafka/rdkafka.h" ] && compgen -G "$librdkafka_root/lib/librdkafka.*"
}
has_java() { printf '17\n%s\n' "$(java -version 2>&1 | sed -n '1s/[^"]*"\([0-9]*\).*/\1/p')" | sort -VC; }
has_clang_tidy() { [ -x "$clang_tidy_root/data/bin/clang-tidy" ]; }
has_libfuzzer() { compgen -G "$("$(tool clang++)" -print-resource-dir)/lib/*/libclang_rt.fuzzer*.a"; }
has_venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }
has_cmake() { printf '3.22\n%s\n' "$(cmake --version | sed -n '1s/[^0-9]*//p')" | sort -VC; }
has_package_or() { command -v "$2" || has_package "$1"; }
has_library() { has_header "$2" || has_package "$1"; }
# No pipe to grep -q: it ends at the first match, and pipefail then counts apt-cache's broken pipe as a no.
apt_offers() { [[ $(apt-cache policy "$1" 2>/dev/null) == *'Candidate: '[0-9]* ]]; }

list_missing() {
  missing=()
  local gcc=g++
  # Ubuntu 22.04: the default is GCC 11, and 12 has a package of its own.
  if has_apt && [ "$(. /etc/os-release && echo "${ID:-}${VERSION_ID:-}")" = ubuntu22.04 ]; then gcc=g++-12; fi
  need "$gcc" "the compiler, GCC 12 or newer" has_gcc
  need cmake "configures the build" has_cmake
  need ninja-build "runs the build" command -v ninja
  need ccache "makes the second build quick" command -v ccache
  need git "version control" command -v git
  need python3 "scripts and tests" command -v python3
  need libfmt-dev "text formatting" has_library libfmt-dev fmt/core.h
  need libspdlog-dev "logging" has_library libspdlog-dev spdlog/version.h
  need nlohmann-json3-dev "JSON" has_library nlohmann-json3-dev nlohmann/json.hpp
  need libyaml-cpp-dev "reads pipeline files" has_library libyaml-cpp-dev yaml-cpp/yaml.h
  need libcli11-dev "command line" has_library libcli11-dev CLI/CLI.hpp
  need libssl-dev "TLS, signatures" has_library libssl-dev openssl/ssl.h
  need libcurl4-openssl-dev "schema registries, S3, webhooks" has_library libcurl4-openssl-dev curl/curl.h
  need libboost-dev "serves HTTP (Beast)" has_library libboost-dev boost/beast/version.hpp
  need libsimdjson-dev "reads JSON" has_library libsimdjson-dev simdjson.h
  need zlib1g-dev "Avro's deflate" has_library zlib1g-dev zlib.h
  need libsnappy-dev "Avro's snappy" has_library libsnappy-dev snappy.h
  need libzstd-dev "Avro's zstandard" has_library libzstd-dev zstd.h
  need liblz4-dev "Cassandra's frames" has_library liblz4-dev lz4.h
  need libmariadb-dev "MySQL and MariaDB" has_library libmariadb-dev mariadb/mysql.h
  need libbz2-dev "Avro's bzip2" has_library libbz2-dev bzlib.h
  need liblzma-dev "Avro's xz" has_library liblzma-dev lzma.h
  if ! has_duckdb; then
    [ -n "${DUCKDB_ROOT:-}" ] && die "DUCKDB_ROOT=$DUCKDB_ROOT does not hold lib/libduckdb.so and include/duckdb/" \
      "It takes the library and the full C++ headers of DuckDB $DUCKDB_VERSION. Unset it to have them fetched."
    need npm "fetches the DuckDB library" command -v npm
  fi
  if ! has_librdkafka >/dev/null; then
    [ -n "${LIBRDKAFKA_ROOT:-}" ] && die "LIBRDKAFKA_ROOT=$LIBRDKAFKA_ROOT does not hold lib/librdkafka.* and include/librdkafka/" \
      "Unset it to have librdkafka $LIBRDKAFKA_VERSION fetched and built."
    need npm "fetches librdkafka's source" command -v npm
    need make "builds librdkafka" command -v make
  fi
  if ! has_duckdb || [ "$what" = test ]; then
    need python3-venv "fetches the DuckDB headers, clang-tidy and clients for tests" has_venv
    need ca-certificates "checks whom we fetch from" test -e /etc/ssl/certs/ca-certificates.crt
  fi
  if [ "$what" = test ]; then
    need libgtest-dev "unit tests" has_library libgtest-dev gtest/gtest.h
    need libgmock-dev "matchers for unit tests" has_library libgmock-dev gmock/gmock.h
    need openjdk-17-jre-headless "runs a Kafka broker" has_java
    need maven "fetches the broker" command -v mvn
    need mariadb-server "a database for the tests" has_package_or mariadb-server mariadbd
    need chromium "a browser for the tests of the web UI and of what is served" command -v chromium
    need prometheus "scrapes and checks our metrics, and alert rules" command -v promtool
    need curl "asks what is served, as READMEs do" command -v curl
    need systemd "checks the unit of the service" command -v systemd-analyze
    need mariadb-client "reads back what we wrote there" has_package_or mariadb-client mariadb
    need clang-format-19 "formatting, the one version that decides" tool clang-format
    need clang-19 "fuzzing" tool clang++
    need libclang-rt-19-dev "fuzzing: libFuzzer and the sanitizers" has_libfuzzer
  fi
}

# ---- apt ---------------------------------------------------------------------------------------
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif ! command -v sudo >/dev/null; then
    die "system packages have to be installed, and you are neither root nor is there sudo" "As root: apt-get install ${packages[*]}"
  elif [ -t 0 ]; then sudo "$@"
  else sudo -n "$@" || die "sudo wants a password and there is no terminal to ask on" "First: sudo apt-get install ${packages[*]}"; fi
}

install_packages() {
  local line packages=() log
  for line in "${missing[@]}"; do packages+=("${line%%$'\t'*}"); done
  if ! has_apt; then
    die "this is neither Debian nor Ubuntu, and something is missing" \
      "Install what these Debian packages are called on your system: ${packages[*]}"
  fi
  log=$(mktemp)
  say "Refreshing the package lists …"
  as_root apt-get update -qq -o Acquire::Retries=3 >"$log" 2>&1 || { tail -n 5 "$log"; say "Going on with the lists that are there."; }
  # Not every release has clang-format 19: then the same version comes from PyPI, in fetch_clang_format.
  # Without clang 19, ./test leaves fuzzing out.
  local wanted=() package
  for package in "${packages[@]}"; do
    case $package in
      clang-format-19) if apt_offers "$package"; then wanted+=("$package"); fi
        apt_offers "$package" || has_venv || wanted+=(python3-venv) ;;
      clang-19 | libclang-rt-19-dev) if apt_offers "$package"; then wanted+=("$package"); fi ;;
      *) wanted+=("$package") ;;
    esac
  done
  [ ${#wanted[@]} = 0 ] && { rm -f "$log"; return; }
  say "Installing ${#wanted[@]} packages and what they need …"
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o Acquire::Retries=3 "${wanted[@]}" >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    die "apt-get could not install: ${wanted[*]}" "The lines above are its last words. Is there a network? Is another apt running?"
  fi
  rm -f "$log"
}

# ---- Fetching ----------------------------------------------------------------------------------
checked() { # checked FILE: is it what scripts/checksums.txt says?
  local want got
  want=$(awk -v name="$(basename "$1")" '$2 == name {print $1}' "$here/checksums.txt")
  got=$(sha256sum "$1" | cut -d' ' -f1)
  [ -n "$want" ] && [ "$want" = "$got" ]
}

# fetch FILE COMMAND...: COMMAND leaves FILE in the current folder. A checked file is kept, so an
# interrupted run goes on where it was.
fetch() {
  local file=$1 attempt aside=$cache/.partial log=$cache/fetch.log
  shift
  if [ -e "$cache/downloads/$file" ] && checked "$cache/downloads/$file"; then return; fi
  for attempt in 1 2 3; do
    rm -rf "$aside"; mkdir -p "$aside" "$cache/downloads"
    if (cd "$aside" && "$@") >"$log" 2>&1 </dev/null && [ -e "$aside/$file" ]; then
      checked "$aside/$file" || die "$file is not the file that scripts/checksums.txt names" \
        "Nothing of it was used. Either the network changed it or the registry did; do not go on without knowing which."
      mv "$aside/$file" "$cache/downloads/$file"
      rm -rf "$aside"
      return
    fi
    [ "$attempt" = 3 ] || { say "  attempt $attempt did not work, trying again …"; sleep $((attempt * 3)); }
  done
  tail -n 12 "$log" >&2
  die "could not fetch $file" "Is there a network, and do npm and pip reach their registries? All of the output: $log"
}

npm_pack() { npm pack --silent "@duckdb/node-bindings-linux-$arch@$DUCKDB_NODE_VERSION"; }
pip_download() {
  local want
  want=$(awk '$2 == "duckdb-'"$DUCKDB_VERSION"'.tar.gz" {print $1}' "$here/checksums.txt")
  python3 -m venv venv
  # pip itself compares the hash before it runs anything of the package.
  echo "duckdb==$DUCKDB_VERSION --hash=sha256:$want" >requirements.txt
  PIP_CONSTRAINT=$here/sdist-constraints.txt venv/bin/python -m pip download -q --no-deps --no-binary duckdb \
    -r requirements.txt -d .
}

lock_cache() { # until this script ends
  mkdir -p "$cache"
  exec 9>"$cache/.lock"
  flock -w 900 9 || die "another set-up has held $cache/.lock for 15 minutes"
}

fetch_duckdb() {
  has_duckdb && return
  local library=duckdb-node-bindings-linux-$arch-$DUCKDB_NODE_VERSION.tgz headers=duckdb-$DUCKDB_VERSION.tar.gz
  local aside=$cache/.unpacking start
  lock_cache
  has_duckdb && return
  start=$(now_ms)
  say "Fetching the DuckDB $DUCKDB_VERSION library (24 MB, npm) …"
  fetch "$library" npm_pack
  say "Fetching the DuckDB $DUCKDB_VERSION headers (18 MB, PyPI) …"
  fetch "$headers" pip_download
  rm -rf "$aside" "$duckdb_root"
  mkdir -p "$aside/lib" "$aside/include"
  tar xzf "$cache/downloads/$library" -C "$aside/lib" --no-same-owner --strip-components=1 package/libduckdb.so package/LICENSE
  tar xzf "$cache/downloads/$headers" -C "$aside/include" --no-same-owner --strip-components=5 \
    "duckdb-$DUCKDB_VERSION/external/duckdb/src/include"
  mv "$aside/lib/LICENSE" "$aside/LICENSE"
  mv "$aside" "$duckdb_root"
  rm -rf "$cache/downloads"
  say "DuckDB $DUCKDB_VERSION is in $duckdb_root ($(seconds_since "$start"))"
}

# The source is in the package of Confluent's client for JavaScript, with nothing of it but the folder changed.
fetch_librdkafka() {
  has_librdkafka >/dev/null && return
  local package=confluentinc-kafka-javascript-$KAFKA_JAVASCRIPT_VERSION.tgz log=$cache/librdkafka.log
  local source=$cache/.building/package/deps/librdkafka start
  lock_cache
  has_librdkafka >/dev/null && return
  start=$(now_ms)
  say "Fetching the source of librdkafka $LIBRDKAFKA_VERSION (3 MB, npm) …"
  fetch "$package" npm pack --silent "@confluentinc/kafka-javascript@$KAFKA_JAVASCRIPT_VERSION"
  rm -rf "$cache/.building"
  mkdir -p "$cache/.building"
  tar xzf "$cache/downloads/$package" -C "$cache/.building" --no-same-owner package/deps/librdkafka
  say "Building librdkafka $LIBRDKAFKA_VERSION (about a minute) …"
  # Our process's other libraries see none of its names: LZ4's and others' are in it.
  if ! (choose_compiler; cd "$source" && export CC CXX CFLAGS=-fvisibility=hidden &&
    ./configure --prefix="$cache/.building/installed" --disable-gssapi --disable-lz4-ext --disable-c11threads \
      --disable-syslog --disable-debug-symbols &&
    make -j "$(jobs)" libs && make -C src install) >"$log" 2>&1 </dev/null; then
    tail -n 12 "$log" >&2
    die "librdkafka could not be built" "All of the output: $log"
  fi
  cp "$source/LICENSES.txt" "$cache/.building/installed/"
  rm -rf "$cache/.building/installed/lib/"{*.so*,*-static.a,pkgconfig} "$librdkafka_root"
  mv "$cache/.building/installed" "$librdkafka_root"
  rm -rf "$cache/.building" "$cache/downloads"
  say "librdkafka $LIBRDKAFKA_VERSION is in $librdkafka_root ($(seconds_since "$start"))"
}

# tool NAME: prints the path of clang-format 19, however it got there, or of the clang-tidy we fetched.
tool() {
  if [ "$1" = clang-tidy ]; then has_clang_tidy && echo "$clang_tidy_root/data/bin/clang-tidy"; return; fi
  if command -v "$1-19"; then return; fi
  if command -v "$1" >/dev/null && "$1" --version | grep -q 'version 19\.'; then command -v "$1"; return; fi
  [ -x "$cache/llvm-tools-19/bin/$1" ] && echo "$cache/llvm-tools-19/bin/$1"
}

fetch_clang_format() {
  tool clang-format >/dev/null && return
  has_venv || die "clang-format 19 is not packaged here, and python3 has no venv to fetch it with"
  say "Fetching clang-format 19 (PyPI, as this system has no package of it) …"
  lock_cache
  rm -rf "$cache/llvm-tools-19"
  python3 -m venv "$cache/llvm-tools-19"
  "$cache/llvm-tools-19/bin/python" -m pip install -q --only-binary :all: "clang-format==$CLANG_FORMAT_VERSION" </dev/null ||
    { rm -rf "$cache/llvm-tools-19"; die "could not fetch clang-format"; }
}

pip_download_clang_tidy() {
  python3 -m venv venv
  venv/bin/python -m pip download -q --no-deps --only-binary :all: "clang-tidy==$CLANG_TIDY_VERSION" -d .
}

# Always from PyPI: what a distribution has differs in what it finds, and 19 takes minutes for a source
# that includes DuckDB's headers.
fetch_clang_tidy() {
  has_clang_tidy && return
  local wheel=clang_tidy-$CLANG_TIDY_VERSION-py2.py3-none-$wheel_platform.whl aside=$cache/.unpacking start
  has_venv || die "python3 has no venv to fetch clang-tidy with" "Install what Debian calls python3-venv."
  lock_cache
  has_clang_tidy && return
  start=$(now_ms)
  say "Fetching clang-tidy $CLANG_TIDY_VERSION (45 MB, PyPI) …"
  fetch "$wheel" pip_download_clang_tidy
  rm -rf "$aside" "$clang_tidy_root"
  mkdir -p "$aside"
  python3 -m zipfile -e "$cache/downloads/$wheel" "$aside"
  chmod +x "$aside/clang_tidy/data/bin/clang-tidy"
  mv "$aside/clang_tidy" "$clang_tidy_root"
  rm -rf "$aside" "$cache/downloads"
  say "clang-tidy $CLANG_TIDY_VERSION is in $clang_tidy_root ($(seconds_since "$start"))"
}

# ---- main --------------------------------------------------------------------------------------
what=build dry_run=
while [ $# -gt 0 ]; do
  case $1 in
    build | test) what=$1 ;;
    --dry-run) dry_run=1 ;;
    --print-duckdb-root) echo "$duckdb_root"; exit ;;
    --print-librdkafka-root) echo "$librdkafka_root"; exit ;;
    --print-tool) tool "${2:?which tool?}" || die "$2, of the version that decides, is not here" "Run scripts/deps.sh test"; exit ;;
    -h | --help) usage; exit ;;
    *) usage >&2; die "unknown argument: $1" ;;
  esac
  shift
done

list_missing
if [ ${#missing[@]} -gt 0 ]; then
  say "Missing, to be installed with apt:"
  printf '%s\n' "${missing[@]}" | awk -F'\t' '{printf "  %-20s %s\n", $1, $2}'
fi
has_duckdb || say "To be fetched into $cache: the DuckDB $DUCKDB_VERSION library (npm) and headers (PyPI), 80 MB unpacked"
has_librdkafka >/dev/null || say "To be fetched and built into $cache: librdkafka $LIBRDKAFKA_VERSION (npm), 20 MB"
if [ "$what" = test ] && ! has_clang_tidy; then
  say "To be fetched into $cache: clang-tidy $CLANG_TIDY_VERSION (PyPI), 150 MB unpacked"
fi
[ -n "$dry_run" ] && exit
[ ${#missing[@]} -gt 0 ] && install_packages
if ! has_gcc; then die "no GCC 12 or newer was found" "Install one and set CXX, such as CXX=g++-12."; fi
fetch_duckdb
fetch_librdkafka
if [ "$what" = test ]; then fetch_clang_format; fetch_clang_tidy; fi
say "Everything for '$what' is there."
