# Files as C++ arrays, for src/control/embedded.h: `include(Embed)`, then
#
#   millrace_embed(<target> <function> <folder> <file>...)
#
# puts the files, by their paths below the folder, into the target as what `function` gives.
# As a script it writes the source: cmake -DFROM=<folder> -DFILES=<a;b> -DFUNCTION=<name> -DTO=<file.cc> -P Embed.cmake
if(NOT CMAKE_SCRIPT_MODE_FILE)
  include_guard()
  set(MILLRACE_EMBED "${CMAKE_CURRENT_LIST_FILE}")
  function(millrace_embed target function folder)
    set(made "${CMAKE_BINARY_DIR}/${function}.cc")
    list(TRANSFORM ARGN PREPEND "${folder}/" OUTPUT_VARIABLE paths)
    list(JOIN ARGN "," files)
    add_custom_command(OUTPUT "${made}"
      COMMAND "${CMAKE_COMMAND}" "-DFROM=${folder}" "-DFILES=${files}" "-DFUNCTION=${function}"
              "-DTO=${made}" -P "${MILLRACE_EMBED}"
      DEPENDS ${paths} "${MILLRACE_EMBED}"
      COMMENT "Embedding ${function}" VERBATIM)
    set_source_files_properties("${made}" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    target_sources(${target} PRIVATE "${made}")
  endfunction()
  return()
endif()

string(REPLACE "," ";" FILES "${FILES}")
set(arrays "")
set(table "")
set(number 0)
foreach(path IN LISTS FILES)
  file(READ "${FROM}/${path}" hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "constexpr unsigned char kFile${number}[] = {${bytes}};\n")
  string(APPEND table "    {\"${path}\", {reinterpret_cast<const char*>(kFile${number}), sizeof(kFile${number})}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${TO}" "// Made by cmake/Embed.cmake.
#include \"control/embedded.h\"

namespace millrace::control {
namespace {

${arrays}
const EmbeddedFile kFiles[] = {
${table}};

}  // namespace

std::span<const EmbeddedFile> ${FUNCTION}() { return kFiles; }

}  // namespace millrace::control
")
