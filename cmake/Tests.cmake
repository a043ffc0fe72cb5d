# One GoogleTest program a room, millrace_<room>_tests, of src/<room>/**/*_test.cc and
# tests/unit/<room>/**/*_test.cc. What lies in tests/unit itself crosses rooms and becomes
# millrace_unit_tests. Sources in tests/support are for all of them, and those in
# src/<room>/testing for the room's. Each src/<room>/**/NAME_bench.cc is a program NAME_bench of its
# own, built on request.
include(GoogleTest)

file(GLOB_RECURSE support CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/support/*.cc")
set(all_rooms base http core spec sql formats engine connectors runtime serve control cli)

function(millrace_test_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  millrace_flags(${name})
  millrace_unity(${name})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests")
  target_link_libraries(${name} PRIVATE ${arg_LINK} GTest::gtest_main)
  if(TARGET GTest::gmock)
    target_link_libraries(${name} PRIVATE GTest::gmock)
  endif()
  set(timeout_s 120)
  if(MILLRACE_SANITIZE MATCHES "thread")
    set(timeout_s 900)  # some tests take 400 times as long
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    TEST_PREFIX "${name}." WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
    PROPERTIES TIMEOUT ${timeout_s} ENVIRONMENT "${MILLRACE_TEST_ENVIRONMENT}")
endfunction()

foreach(room IN LISTS all_rooms)
  file(GLOB_RECURSE tests CONFIGURE_DEPENDS
    "${CMAKE_SOURCE_DIR}/src/${room}/*_test.cc" "${CMAKE_SOURCE_DIR}/tests/unit/${room}/*_test.cc")
  if(NOT tests)
    continue()
  endif()
  # The low rooms are tested alone, so that an edit above does not rebuild their tests.
  set(link millrace_${room})
  file(GLOB testing CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${room}/testing/*.cc")
  list(APPEND tests ${testing})
  if(NOT room MATCHES "^(base|http|core|spec|sql|formats)$")
    set(link ${MILLRACE_ROOM_LIBRARIES})
    list(APPEND tests ${support})
  endif()
  if(room STREQUAL "connectors")
    list(APPEND link RdKafka::rdkafka)
  endif()
  millrace_test_program(millrace_${room}_tests SOURCES ${tests} LINK ${link})
  file(GLOB_RECURSE benches CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${room}/*_bench.cc")
  foreach(bench IN LISTS benches)
    get_filename_component(name "${bench}" NAME_WE)
    add_executable(${name} EXCLUDE_FROM_ALL "${bench}" ${testing})
    millrace_flags(${name})
    target_link_libraries(${name} PRIVATE ${link})
  endforeach()
  if(room STREQUAL "sql")
    target_link_libraries(millrace_sql_tests PRIVATE DuckDB::duckdb)
    if(MILLRACE_SANITIZE)
      target_compile_options(millrace_sql_tests PRIVATE -fno-sanitize=vptr)
    endif()
    get_target_property(pch millrace_sql PRECOMPILE_HEADERS)
    if(pch)
      target_precompile_headers(millrace_sql_tests REUSE_FROM millrace_sql)
    endif()
  endif()
endforeach()

file(GLOB unit CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/unit/*_test.cc")
if(unit)
  millrace_test_program(millrace_unit_tests SOURCES ${unit} ${support} LINK ${MILLRACE_ROOM_LIBRARIES})
endif()
