# Compiler, flags, ccache and mold: everything that is the same for all our targets.

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "millrace is built with GCC 12 or newer (found ${CMAKE_CXX_COMPILER_ID})")
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "millrace needs GCC 12 or newer, this is ${CMAKE_CXX_COMPILER_VERSION}. "
                      "Choose another with CXX=g++-12 and an empty build folder.")
endif()

# -g1: line numbers in backtraces for a tenth of the size of full debug information, and compiled in
# seven eighths of the time; for a debugger, CXXFLAGS=-g3.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-Og -g1")

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness is what ccache asks for when headers are precompiled; with the base folder one
  # checkout finds what another one has compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${CCACHE}")
endif()

find_program(MOLD mold)
if(MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12.1)
  add_link_options(-fuse-ld=mold)
endif()

# Flags of our own targets; third parties are included as system headers and keep theirs.
# Never _GLIBCXX_DEBUG, _GLIBCXX_ASSERTIONS or DEBUG: the first changes the layout of containers
# that we share with libduckdb.so, the last the layout of DuckDB's own classes.
function(millrace_flags target)
  target_include_directories(${target} PRIVATE "${CMAKE_SOURCE_DIR}/src")
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow=local -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align
    -Wimplicit-fallthrough -Wextra-semi
    -Wno-missing-field-initializers)  # designated initializers leave defaults out on purpose
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE
      -Wno-restrict  # GCC 12 reports std::string's operator+ (GCC bug 105651)
      # These need flow analysis and are wrong now and then at -O2 and under sanitizers.
      -Wno-error=maybe-uninitialized -Wno-error=stringop-overflow -Wno-error=stringop-overread
      -Wno-error=array-bounds)
  endif()
  if(MILLRACE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(MILLRACE_FAULTS)
    target_compile_definitions(${target} PRIVATE MILLRACE_FAULTS)
  endif()
endfunction()

if(MILLRACE_SANITIZE)
  add_compile_options(-fsanitize=${MILLRACE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${MILLRACE_SANITIZE})
  if(MILLRACE_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()

# libduckdb.so is not instrumented: a container that it filled carries no marks, and a lock that it
# took was not seen. One variable only: gtest_discover_tests() loses the others.
if(MILLRACE_SANITIZE MATCHES "thread")
  set(MILLRACE_TEST_ENVIRONMENT
      "TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=1:second_deadlock_stack=1:suppressions=${CMAKE_SOURCE_DIR}/cmake/tsan.supp")
else()
  set(MILLRACE_TEST_ENVIRONMENT
      "ASAN_OPTIONS=detect_container_overflow=0:strict_string_checks=1:detect_stack_use_after_return=1")
endif()
