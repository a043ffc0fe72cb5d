# millrace_find(<target> <header> <library> <Debian package>)
#
# An imported target for a library that brings no CMake package on Debian.
include_guard()

function(millrace_find target header library package)
  find_path(${library}_include ${header})
  find_library(${library}_library ${library})
  mark_as_advanced(${library}_include ${library}_library)
  if(NOT ${library}_include OR NOT ${library}_library)
    message(FATAL_ERROR "${library} is missing. scripts/deps.sh installs it (Debian: ${package}).")
  endif()
  add_library(${target} UNKNOWN IMPORTED)
  set_target_properties(${target} PROPERTIES
    IMPORTED_LOCATION "${${library}_library}"
    INTERFACE_INCLUDE_DIRECTORIES "${${library}_include}")
endfunction()
