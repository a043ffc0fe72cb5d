// What goes wrong with a system outside and is tried again.
#pragma once

#include <functional>
#include <string>

namespace millrace {

/// Is told what is wrong as long as it is tried again, and an empty text when that is over. Called
/// by any thread; must neither wait nor call back.
using TellTrouble = std::function<void(const std::string& why)>;

}  // namespace millrace
