# Puts the web UI into the binary: what scripts/webui.sh has built, or a page that says how to get it.
include_guard()
include(Embed)
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
    # An archive of a release is where others get it from.
    install(CODE [[
      if(CMAKE_INSTALL_PREFIX MATCHES "_CPack_Packages" OR "$ENV{DESTDIR}" MATCHES "_CPack_Packages")
        message(FATAL_ERROR "there is no web UI to package: scripts/webui.sh builds it; then configure again")
      endif()]])
  else()
    # For who builds where there is no Node: scripts/webui.sh takes it out of the archive of a release.
    install(DIRECTORY "${folder}/" DESTINATION share/millrace/webui)
  endif()
  file(GLOB_RECURSE files RELATIVE "${folder}" CONFIGURE_DEPENDS "${folder}/*")
  list(SORT files)
  millrace_embed(${target} web_files "${folder}" ${files})
endfunction()
