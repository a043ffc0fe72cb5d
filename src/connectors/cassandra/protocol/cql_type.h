// Types of CQL, as answers describe them (native_protocol_v5.spec, section 4.2.5.2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/cassandra/protocol/wire.h"

namespace millrace::cassandra {

/// A type with what it is made of. The numbers are the protocol's.
struct CqlType {
  enum class Id : std::uint16_t {
    custom = 0x00,  ///< of the server's own Java classes: bytes to us
    ascii = 0x01,
    bigint = 0x02,
    blob = 0x03,
    boolean = 0x04,
    counter = 0x05,
    decimal = 0x06,
    double_ = 0x07,
    float_ = 0x08,
    int_ = 0x09,
    timestamp = 0x0B,
    uuid = 0x0C,
    varchar = 0x0D,
    varint = 0x0E,
    timeuuid = 0x0F,
    inet = 0x10,
    date = 0x11,
    time = 0x12,
    smallint = 0x13,
    tinyint = 0x14,
    duration = 0x15,
    list = 0x20,
    map = 0x21,
    set = 0x22,
    udt = 0x30,
    tuple = 0x31,
    vector = 0xFFFF,  ///< a custom type of the protocol, that we know
  };

  Id id = Id::custom;
  std::string name;            ///< of a UDT, quoted where CQL needs it; the class of a custom type
  std::vector<CqlType> parts;  ///< elements; key and value; fields of a tuple or UDT
  std::vector<std::string> fields;  ///< names of a UDT's fields
  std::int32_t dimension = 0;       ///< of a vector

  bool operator==(const CqlType&) const = default;
};

/// Reads an [option] that is a type. Throws BadFrame, also for types nested too deep.
[[nodiscard]] CqlType read_type(WireReader& from);
/// "map<text, frozen<list<int>>>", for people and for CREATE TABLE; `nested`: as part of another.
[[nodiscard]] std::string type_text(const CqlType& type, bool nested = false);
/// A native type by its name in CQL: "text", "tinyint"; Id::custom: there is none.
[[nodiscard]] CqlType::Id native_type(std::string_view name);
/// A name as CQL reads it in any case: in quotes.
[[nodiscard]] std::string quoted_name(std::string_view name);
/// How many bytes each value has in a vector; 0: they differ.
[[nodiscard]] std::size_t fixed_size(const CqlType& type);

}  // namespace millrace::cassandra
