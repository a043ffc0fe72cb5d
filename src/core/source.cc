#include "core/source.h"

#include "base/error.h"

namespace millrace {

SliceInput Source::read_again(const MalformedRows& /*rows*/, const std::string& /*folder*/,
                              MalformedReceiver& /*malformed*/) {
  throw Error(Blame::user, "a source of this kind has no records that could be read again");
}

}  // namespace millrace
