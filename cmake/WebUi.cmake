# Puts the web UI into the binary: what scripts/webui.sh has built, or a page that says how to get it.
include_guard()
set(MILLRACE_WEBUI "" CACHE PATH "Folder of the built web UI; empty: webui/dist, if it is there")

function(millrace_webui target)
  set(folder "${MILLRACE_WEBUI}")
  if(NOT folder)
    set(folder "${CMAKE_SOURCE_DIR}/webui/dist")
  endif()
  if(NOT EXISTS "${folder}/index.html")
    if(MILLRACE_WEBUI)
      message(FATAL_ERROR "MILLRACE_WEBUI: there is no ${folder}/index.html")
    endif()
    message(STATUS "web UI: not built (scripts/webui.sh builds it); the binary will be without")
    set(folder "${CMAKE_SOURCE_DIR}/webui/absent")
  else()
    # For who builds where there is no Node: scripts/webui.sh takes it out of the archive of a release.
    install(DIRECTORY "${folder}/" DESTINATION share/millrace/webui)
  endif()
  file(GLOB_RECURSE files CONFIGURE_DEPENDS "${folder}/*")
  set(made "${CMAKE_BINARY_DIR}/webui_files.cc")
  add_custom_command(OUTPUT "${made}"
    COMMAND "${CMAKE_COMMAND}" "-DFROM=${folder}" "-DTO=${made}" -P "${CMAKE_SOURCE_DIR}/cmake/Embed.cmake"
    DEPENDS ${files} "${CMAKE_SOURCE_DIR}/cmake/Embed.cmake"
    COMMENT "Embedding the web UI" VERBATIM)
  target_sources(${target} PRIVATE "${made}")
endfunction()
