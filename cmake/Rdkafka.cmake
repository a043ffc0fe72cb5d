# RdKafka::rdkafka: the C library. Debian ships a pkg-config file for it, and none for CMake.
include_guard()

find_path(RDKAFKA_INCLUDE_DIR librdkafka/rdkafka.h)
find_library(RDKAFKA_LIBRARY rdkafka)
if(NOT RDKAFKA_INCLUDE_DIR OR NOT RDKAFKA_LIBRARY)
  message(FATAL_ERROR "librdkafka is missing. scripts/deps.sh installs it (Debian: librdkafka-dev).")
endif()
add_library(RdKafka::rdkafka UNKNOWN IMPORTED)
set_target_properties(RdKafka::rdkafka PROPERTIES
  IMPORTED_LOCATION "${RDKAFKA_LIBRARY}"
  INTERFACE_INCLUDE_DIRECTORIES "${RDKAFKA_INCLUDE_DIR}")
