# What fuzz/ is built into: millrace_fuzz_tests, a unit test that gives each target its corpus, and
# with MILLRACE_FUZZ the programs fuzz_<target> (`fuzz` builds them all). They link what they test and
# no more: libduckdb.so would take longer to load than most runs of a target.
if(NOT MILLRACE_TESTS AND NOT MILLRACE_FUZZ)
  return()
endif()

file(GLOB fuzz_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/fuzz/*.cc")
list(FILTER fuzz_sources EXCLUDE REGEX "/(libfuzzer|replay_test)\\.cc$")
set(kafka "${CMAKE_SOURCE_DIR}/src/connectors/kafka")
set(cassandra "${CMAKE_SOURCE_DIR}/src/connectors/cassandra")
set(mysql "${CMAKE_SOURCE_DIR}/src/connectors/mysql")
set(http "${CMAKE_SOURCE_DIR}/src/http")
add_library(millrace_fuzz STATIC EXCLUDE_FROM_ALL ${fuzz_sources}
  "${CMAKE_SOURCE_DIR}/src/formats/testing/columns.cc"
  "${kafka}/registry_answers.cc" "${kafka}/registry_references.cc"
  "${cassandra}/from_cql.cc" "${cassandra}/numbers.cc" "${cassandra}/protocol/checksums.cc"
  "${cassandra}/protocol/cql_type.cc" "${cassandra}/protocol/frame.cc"
  "${cassandra}/protocol/messages.cc" "${cassandra}/protocol/wire.cc"
  "${mysql}/binlog_compression.cc" "${mysql}/binlog_json.cc" "${mysql}/binlog_statement.cc"
  "${mysql}/binlog_table.cc" "${mysql}/binlog_values.cc" "${mysql}/cells.cc" "${mysql}/charset.cc"
  "${http}/header_values.cc" "${http}/internal/request_reader.cc" "${http}/target.cc")
millrace_flags(millrace_fuzz)
target_include_directories(millrace_fuzz PRIVATE "${CMAKE_SOURCE_DIR}")
target_link_libraries(millrace_fuzz PUBLIC millrace_formats PRIVATE Compression::lz4
  Compression::zstd ZLIB::ZLIB MariaDB::mariadb)

if(MILLRACE_TESTS)
  millrace_test_program(millrace_fuzz_tests SOURCES "${CMAKE_SOURCE_DIR}/fuzz/replay_test.cc"
    LINK millrace_fuzz)
  target_include_directories(millrace_fuzz_tests PRIVATE "${CMAKE_SOURCE_DIR}")
endif()

if(MILLRACE_FUZZ)
  add_custom_target(fuzz)
  foreach(source IN LISTS fuzz_sources)
    get_filename_component(target "${source}" NAME_WE)
    add_executable(fuzz_${target} EXCLUDE_FROM_ALL "${CMAKE_SOURCE_DIR}/fuzz/libfuzzer.cc")
    millrace_flags(fuzz_${target})
    target_compile_definitions(fuzz_${target} PRIVATE MILLRACE_FUZZ_TARGET=${target})
    target_include_directories(fuzz_${target} PRIVATE "${CMAKE_SOURCE_DIR}")
    target_link_libraries(fuzz_${target} PRIVATE millrace_fuzz)
    target_link_options(fuzz_${target} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzz fuzz_${target})
  endforeach()
endif()
