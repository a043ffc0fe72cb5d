# DuckDB::duckdb: the shared library and the C++ headers of exactly the version in
# scripts/versions.sh. Only the sql room links to it.

file(STRINGS "${CMAKE_SOURCE_DIR}/scripts/versions.sh" version_line REGEX "^DUCKDB_VERSION=")
string(REGEX REPLACE "^DUCKDB_VERSION=" "" DUCKDB_WANTED "${version_line}")

include(Root)
millrace_root(DUCKDB_ROOT --print-duckdb-root)

find_library(DUCKDB_LIBRARY duckdb PATHS "${root}" PATH_SUFFIXES lib lib64 . NO_DEFAULT_PATH)
find_path(DUCKDB_INCLUDE_DIR duckdb/planner/planner.hpp
          PATHS "${root}" PATH_SUFFIXES include src/include NO_DEFAULT_PATH)
if(NOT DUCKDB_LIBRARY OR NOT DUCKDB_INCLUDE_DIR)
  message(FATAL_ERROR
    "DuckDB ${DUCKDB_WANTED} was not found in '${root}'.\n"
    "Run scripts/deps.sh to fetch it, or point DUCKDB_ROOT at a folder that holds "
    "lib/libduckdb.so and include/duckdb/ (the C++ headers, not duckdb.h alone).")
endif()

# The headers of another version compile and then crash, so the library is asked.
if(NOT DUCKDB_CHECKED STREQUAL "${DUCKDB_LIBRARY}")
  set(probe "${CMAKE_BINARY_DIR}/CMakeFiles/duckdb_version.cc")
  file(WRITE "${probe}" "#include <cstdio>
extern \"C\" const char* duckdb_library_version();
int main() { std::puts(duckdb_library_version()); }
")
  try_run(ran compiled "${CMAKE_BINARY_DIR}/CMakeFiles/duckdb_version" "${probe}"
          LINK_LIBRARIES "${DUCKDB_LIBRARY}"
          COMPILE_OUTPUT_VARIABLE compile_log RUN_OUTPUT_VARIABLE found)
  if(NOT compiled)
    message(FATAL_ERROR "Could not link to ${DUCKDB_LIBRARY}:\n${compile_log}")
  endif()
  string(STRIP "${found}" found)
  unset(ran CACHE)
  if(NOT found STREQUAL "v${DUCKDB_WANTED}")
    message(FATAL_ERROR "${DUCKDB_LIBRARY} is DuckDB ${found}; millrace needs v${DUCKDB_WANTED}.")
  endif()
  message(STATUS "DuckDB ${found}: ${DUCKDB_LIBRARY}")
  set(DUCKDB_CHECKED "${DUCKDB_LIBRARY}" CACHE INTERNAL "the library whose version was checked")
endif()

add_library(DuckDB::duckdb SHARED IMPORTED)
set_target_properties(DuckDB::duckdb PROPERTIES
  IMPORTED_LOCATION "${DUCKDB_LIBRARY}"
  IMPORTED_SONAME libduckdb.so
  INTERFACE_INCLUDE_DIRECTORIES "${DUCKDB_INCLUDE_DIR}")  # imported: a system folder, no warnings
