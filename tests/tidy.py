#!/usr/bin/env python3
"""The rules of this repository that a machine can check.

Usage: tests/tidy.py [--root DIR] [--self-test]

Each rule is a test case; the last line is "N passed, N failed". To allow a new #include edge, change
MAY_INCLUDE here and the links in CMakeLists.txt together, and say why in the commit.
"""
import argparse
import os
import re
import sys
import tempfile

# room -> the rooms it may include, itself aside. The same direction as the links in CMakeLists.txt.
MAY_INCLUDE = {
    "base": set(),
    "http": {"base"},
    "core": {"base"},
    "spec": {"base", "http", "core"},
    "sql": {"base", "core"},
    "formats": {"base", "core"},
    "engine": {"base", "core", "spec", "sql"},
    "connectors": {"base", "core", "spec", "sql", "formats"},
    "runtime": {"base", "core", "spec", "sql", "formats", "engine", "connectors"},
    "serve": {"base", "http", "core", "spec", "sql", "formats", "engine"},
    "control": {"base", "http", "core", "spec", "sql", "formats", "engine", "connectors", "runtime", "serve"},
    "cli": {"base", "http", "core", "spec", "sql", "formats", "engine", "connectors", "runtime", "serve", "control"},
}
# How the header of a third party begins -> the only rooms that may include it.
ONLY_IN = {"duckdb": {"sql"}, "yaml-cpp/": {"spec"}, "CLI/": {"cli"}, "librdkafka/": {"connectors"},
           "simdjson": {"formats"}, "mariadb/": {"connectors"}, "curl/": {"connectors"}, "boost/": {"http"}}
LINES_WARN, LINES_MAX, COLUMNS_MAX = 500, 800, 100
MARKERS = re.compile(r"\b(TODO|FIXME|XXX)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
CPP = (".cc", ".h")
TEXT = CPP + (".py", ".sh", ".cmake", ".yaml", ".sql", ".md", ".txt", ".json")
SELF = os.path.join("tests", "tidy.py")


class Tree:
    """Every file the rules look at, read once, by its path from the root."""

    def __init__(self, root):
        self.lines = {}
        for top in ("src", "tests", "bench", "fuzz", "cmake", "scripts", "docs", "examples"):
            for folder, folders, names in os.walk(os.path.join(root, top)):
                folders[:] = [f for f in folders if f not in ("__pycache__", "input", "output", "corpus")]
                for name in sorted(names):
                    if name.endswith(TEXT):
                        path = os.path.join(folder, name)
                        with open(path, encoding="utf-8") as file:
                            self.lines[os.path.relpath(path, root)] = file.read().split("\n")

    def cpp(self, *tops):
        return {p: l for p, l in self.lines.items()
                if p.endswith(CPP) and p.split(os.sep)[0] in (tops or ("src", "tests", "bench", "fuzz"))}

    def includes(self, path):
        """(line number, quote, header) of each #include in a file."""
        for number, line in enumerate(self.lines[path], 1):
            found = INCLUDE.match(line)
            if found:
                yield number, found[1], found[2]

    def sources(self):
        """(path, parts from src/, is it a test) of each C++ file of a room."""
        for path in self.cpp("src"):
            parts = path.split(os.sep)[1:]
            yield path, parts, path.endswith("_test.cc")


def is_third_party(header, prefix):
    return header.startswith(prefix) and (prefix != "duckdb" or re.match(r"duckdb(/|\.h)", header))


def include_direction(tree):
    for path, parts, is_test in tree.sources():
        room = parts[0]
        if len(parts) < 2 or room not in MAY_INCLUDE:
            yield f"{path}:1: lies in no room; rooms are {', '.join(MAY_INCLUDE)}"
            continue
        if is_test:
            continue
        for line, quote, header in tree.includes(path):
            other = header.split("/")[0]
            if quote == '"' and other in MAY_INCLUDE and other not in MAY_INCLUDE[room] | {room}:
                yield f"{path}:{line}: {room} must not include {header}"


def includes_from_src(tree):
    for path, parts, _ in tree.sources():
        for line, quote, header in tree.includes(path):
            if quote == '"' and not is_third_party(header, "duckdb"):
                if os.path.join("src", *header.split("/")) not in tree.lines and not header.startswith("support/"):
                    yield f'{path}:{line}: "{header}" is no file under src/; write the path from there'


def third_party_rooms(tree):
    for path, parts, _ in tree.sources():
        for line, _, header in tree.includes(path):
            for prefix, rooms in ONLY_IN.items():
                if is_third_party(header, prefix) and parts[0] not in rooms:
                    yield f"{path}:{line}: {header} may be included only in {', '.join(sorted(rooms))}"


def sql_keeps_duckdb_inside(tree):
    """What others include of sql, directly or through another header, is free of DuckDB."""
    def reaches(path, seen):
        for line, _, header in tree.includes(path):
            if is_third_party(header, "duckdb"):
                return [f"{path}:{line}"]
            inner = os.path.join("src", *header.split("/"))
            if inner in tree.lines and inner not in seen:
                seen.add(inner)
                way = reaches(inner, seen)
                if way:
                    return [f"{path}:{line}"] + way
        return None

    for path, parts, is_test in tree.sources():
        if parts[0] == "sql" and len(parts) == 2 and path.endswith(".h"):
            way = reaches(path, {path})
            if way:
                yield f"{way[0]}: a public header of sql leads to DuckDB: {' -> '.join(way)}"
        if parts[0] != "sql" and not is_test:
            for line, _, header in tree.includes(path):
                if header.startswith("sql/") and header.count("/") > 1:
                    yield f"{path}:{line}: {header} is internal to sql"


def connectors_stand_alone(tree):
    for path, parts, is_test in tree.sources():
        if parts[0] != "connectors" or len(parts) < 3 or is_test:
            continue
        for line, _, header in tree.includes(path):
            other = header.split("/")
            if other[0] == "connectors" and len(other) > 2 and other[1] != parts[1]:
                yield f"{path}:{line}: connector {parts[1]} must not include {header}; move the shared part down"


def headers_are_guarded(tree):
    for path, lines in tree.cpp().items():
        if path.endswith(".h") and "#pragma once" not in lines:
            yield f"{path}:1: no #pragma once"


def no_leftover_markers(tree):
    for path, lines in tree.lines.items():
        if path != SELF:
            for number, line in enumerate(lines, 1):
                if MARKERS.search(line):
                    yield f"{path}:{number}: a leftover marker: {line.strip()}"


def file_length(tree):
    for path, lines in tree.cpp().items():
        if len(lines) - 1 > LINES_MAX:
            yield f"{path}:1: {len(lines) - 1} lines, more than {LINES_MAX}; cut it"
        elif len(lines) - 1 > LINES_WARN:
            print(f"warning: {path} has {len(lines) - 1} lines; over {LINES_WARN} a file needs a reason")


def line_length(tree):
    for path, lines in tree.cpp().items():
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX and "http" not in line and 'R"' not in line:
                yield f"{path}:{number}: {len(line)} columns, more than {COLUMNS_MAX}"


def no_trailing_space(tree):
    for path, lines in tree.lines.items():
        for number, line in enumerate(lines, 1):
            if line != line.rstrip() and not path.endswith(".md"):
                yield f"{path}:{number}: white space at the end of the line"
        if lines[-1] != "":
            yield f"{path}:{len(lines)}: no newline at the end of the file"


def tests_do_not_sleep(tree):
    for path, lines in tree.cpp().items():
        if path.endswith("_test.cc") or path.startswith("tests" + os.sep):
            for number, line in enumerate(lines, 1):
                if re.search(r"\bsleep_(for|until)\b", line):
                    yield f"{path}:{number}: a test that sleeps is slow or flaky; wait for the event, or use a fake clock"


RULES = [include_direction, includes_from_src, third_party_rooms, sql_keeps_duckdb_inside,
         connectors_stand_alone, headers_are_guarded, no_leftover_markers, file_length, line_length,
         no_trailing_space, tests_do_not_sleep]


def check(root):
    tree = Tree(root)
    failed = 0
    for rule in RULES:
        findings = list(rule(tree))
        failed += bool(findings)
        for finding in findings:
            print(f"{finding} [{rule.__name__}]")
    print(f"{len(tree.lines)} files, {len(RULES)} rules")
    print(f"{len(RULES) - failed} passed, {failed} failed")
    return failed


# Each rule with files that break it; a rule that has gone blind is worse than none.
BROKEN = [
    (include_direction, {"src/base/a.h": '#pragma once\n#include "core/b.h"\n', "src/core/b.h": "#pragma once\n"}),
    (include_direction, {"src/engine/a.cc": '#include "connectors/all.h"\n', "src/connectors/all.h": "#pragma once\n"}),
    (includes_from_src, {"src/base/a.cc": '#include "a.h"\n', "src/base/a.h": "#pragma once\n"}),
    (third_party_rooms, {"src/engine/a.cc": "#include <duckdb/common/types.hpp>\n"}),
    (third_party_rooms, {"src/cli/a.cc": "#include <yaml-cpp/yaml.h>\n"}),
    (third_party_rooms, {"src/engine/a.cc": "#include <CLI/CLI.hpp>\n"}),
    (sql_keeps_duckdb_inside, {"src/sql/a.h": '#pragma once\n#include "sql/internal/b.h"\n',
                               "src/sql/internal/b.h": '#pragma once\n#include "duckdb.hpp"\n'}),
    (sql_keeps_duckdb_inside, {"src/engine/a.cc": '#include "sql/internal/b.h"\n',
                               "src/sql/internal/b.h": "#pragma once\n"}),
    (connectors_stand_alone, {"src/connectors/a/a.cc": '#include "connectors/b/b.h"\n',
                              "src/connectors/b/b.h": "#pragma once\n"}),
    (headers_are_guarded, {"src/base/a.h": "\n"}),
    (no_leftover_markers, {"src/base/a.cc": "// TODO: later\n"}),
    (file_length, {"src/base/a.cc": "\n" * (LINES_MAX + 1)}),
    (line_length, {"src/base/a.cc": "//" + "x" * COLUMNS_MAX + "\n"}),
    (no_trailing_space, {"src/base/a.cc": "// \n"}),
    (no_trailing_space, {"src/base/a.cc": "//"}),
    (tests_do_not_sleep, {"src/base/a_test.cc": "std::this_thread::sleep_for(1s);\n"}),
]


def self_test():
    failed = 0
    for rule, files in BROKEN:
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            tree = Tree(root)
            broken = {r.__name__ for r in RULES if list(r(tree))}
        if broken != {rule.__name__}:
            failed += 1
            print(f"{rule.__name__}: {sorted(files)} broke {sorted(broken) or 'nothing'}")
    print(f"{len(BROKEN) - failed} passed, {failed} failed")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    parser.add_argument("--self-test", action="store_true", help="check that each rule finds what breaks it")
    options = parser.parse_args()
    return 1 if (self_test() if options.self_test else check(options.root)) else 0


if __name__ == "__main__":
    sys.exit(main())
