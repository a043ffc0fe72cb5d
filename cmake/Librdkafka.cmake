# RdKafka::rdkafka: librdkafka, linked statically where it can be. For the kafka connector and who uses its client.
#
# Debian 12's own is too old: before 2.6.1, SCRAM fails with brokers of Kafka 4.
include_guard()

include(Root)
millrace_root(LIBRDKAFKA_ROOT --print-librdkafka-root)

find_library(LIBRDKAFKA_LIBRARY NAMES librdkafka.a rdkafka PATHS "${root}" PATH_SUFFIXES lib lib64 NO_DEFAULT_PATH)
find_path(LIBRDKAFKA_INCLUDE_DIR librdkafka/rdkafka.h PATHS "${root}" PATH_SUFFIXES include NO_DEFAULT_PATH)
if(NOT LIBRDKAFKA_LIBRARY OR NOT LIBRDKAFKA_INCLUDE_DIR)
  message(FATAL_ERROR
    "librdkafka was not found in '${root}'.\n"
    "Run scripts/deps.sh to have it built, or point LIBRDKAFKA_ROOT at a folder that holds "
    "lib/librdkafka.a (or .so) and include/librdkafka/.")
endif()

file(STRINGS "${LIBRDKAFKA_INCLUDE_DIR}/librdkafka/rdkafka.h" version_line REGEX "^#define RD_KAFKA_VERSION 0x")
string(REGEX REPLACE ".*0x0*" "0x" version_number "${version_line}")
if(version_number LESS 0x20601ff)
  message(FATAL_ERROR "${LIBRDKAFKA_INCLUDE_DIR} is of librdkafka ${version_number}; millrace needs 2.6.1 (0x20601ff) or newer.")
endif()

add_library(RdKafka::rdkafka UNKNOWN IMPORTED)
set_target_properties(RdKafka::rdkafka PROPERTIES
  IMPORTED_LOCATION "${LIBRDKAFKA_LIBRARY}"
  INTERFACE_INCLUDE_DIRECTORIES "${LIBRDKAFKA_INCLUDE_DIR}")
if(LIBRDKAFKA_LIBRARY MATCHES "\\.a$")
  set_target_properties(RdKafka::rdkafka PROPERTIES INTERFACE_LINK_LIBRARIES
    "CURL::libcurl;OpenSSL::SSL;OpenSSL::Crypto;ZLIB::ZLIB;Compression::zstd;Threads::Threads;m;${CMAKE_DL_LIBS}")
endif()
