# cmake -DFROM=<folder> -DTO=<file.cc> -P cmake/Embed.cmake: the files of a folder as C++ arrays, for
# src/control/webui.h.
file(GLOB_RECURSE paths RELATIVE "${FROM}" "${FROM}/*")
list(SORT paths)
set(arrays "")
set(table "")
set(number 0)
foreach(path IN LISTS paths)
  file(READ "${FROM}/${path}" hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "constexpr unsigned char kFile${number}[] = {${bytes}};\n")
  string(APPEND table "    {\"${path}\", {reinterpret_cast<const char*>(kFile${number}), sizeof(kFile${number})}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${TO}" "// Made by cmake/Embed.cmake.
#include \"control/webui.h\"

namespace millrace::control {
namespace {

${arrays}
const WebFile kFiles[] = {
${table}};

}  // namespace

std::span<const WebFile> web_files() { return kFiles; }

}  // namespace millrace::control
")
