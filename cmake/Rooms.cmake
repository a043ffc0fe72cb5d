# millrace_room(<room> [ROOMS <room>...] [PUBLIC <lib>...] [PRIVATE <lib>...])
#
# Makes the static library millrace_<room> of src/<room>/**/*.cc, tests and benchmarks left out. A room of headers
# alone becomes an interface library, so that a room may link to another before it has any source.
include_guard()

# Most of a source's time goes to what it includes, so several are compiled as one. Names in anonymous namespaces have
# to differ within a room for that; what a source forgets to include is found by the presets test and tidy. The room
# sql precompiles what is heavy there; some tests have words of their own each.
function(millrace_unity target)
  if(MILLRACE_UNITY AND NOT target MATCHES "_(sql|sql_tests|formats_tests|connectors_tests|control_tests)$")
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)  # takes our sources for headers
  endif()
endfunction()

set(MILLRACE_ROOM_LIBRARIES "")  # every room that has something to link, in link order

function(millrace_room room)
  cmake_parse_arguments(arg "" "" "ROOMS;PUBLIC;PRIVATE" ${ARGN})
  set(dir "${CMAKE_SOURCE_DIR}/src/${room}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${dir}/*.cc")
  list(FILTER sources EXCLUDE REGEX "(_test|_bench)\\.cc$|/testing/")
  list(FILTER sources EXCLUDE REGEX "/src/cli/main\\.cc$")
  set(target millrace_${room})

  set(links "")
  foreach(other IN LISTS arg_ROOMS)
    list(APPEND links millrace_${other})
  endforeach()

  if(sources)
    add_library(${target} STATIC ${sources})
    millrace_flags(${target})
    millrace_unity(${target})
    target_link_libraries(${target} PUBLIC ${links} ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  else()
    message(STATUS "room ${room}: no sources yet")
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${links} ${arg_PUBLIC})
  endif()
  set(MILLRACE_ROOM_LIBRARIES ${target} ${MILLRACE_ROOM_LIBRARIES} PARENT_SCOPE)
endfunction()
