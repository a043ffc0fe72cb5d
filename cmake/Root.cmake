# millrace_root(<variable> <option of scripts/deps.sh>)
#
# Where a library is: what the CMake variable says, then the environment, then where scripts/deps.sh
# keeps what it fetched or built. Sets `root`.
include_guard()

function(millrace_root variable option)
  set(root "${${variable}}")
  if(NOT root AND DEFINED ENV{${variable}})
    set(root "$ENV{${variable}}")
  endif()
  if(NOT root)
    execute_process(COMMAND "${CMAKE_SOURCE_DIR}/scripts/deps.sh" ${option}
                    OUTPUT_VARIABLE root OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  endif()
  set(root "${root}" PARENT_SCOPE)
endfunction()
