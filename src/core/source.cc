#include "core/source.h"

#include "base/error.h"
#include "core/lookup.h"

namespace millrace {

std::unique_ptr<KeyLookup> Source::lookup(const std::vector<std::size_t>& /*key*/) {
  return nullptr;
}

SliceInput Source::read_again(const MalformedRows& /*rows*/, const std::string& /*folder*/,
                              MalformedReceiver& /*malformed*/) {
  throw Error(Blame::user, "a source of this kind has no records that could be read again");
}

}  // namespace millrace
