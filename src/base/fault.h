// Named places where a test can make the process die or fail. Nothing at all in other builds.
//
// With MILLRACE_FAULTS defined when building:
//   MILLRACE_FAULT=sink.publish:3         the third time, the process kills itself (SIGKILL)
//   MILLRACE_FAULT=sink.publish:3:error   ... or throws an Error
//   MILLRACE_FAULT_LOG=path               appends the name of each point that is passed
//   MILLRACE_WORTH_A_THREAD=rows          from how many rows on work is shared by threads: tests
//                                         have few
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace {

#ifdef MILLRACE_FAULTS
/// Marks a place where the process may die. Names are `part.step`, unique in the program.
void fault_point(std::string_view name);
/// For how many rows a thread is woken; `usually`, if no test wants it otherwise.
[[nodiscard]] std::int64_t worth_a_thread(std::int64_t usually);
#else
inline void fault_point(std::string_view /*name*/) noexcept {}
[[nodiscard]] inline std::int64_t worth_a_thread(std::int64_t usually) noexcept { return usually; }
#endif

}  // namespace millrace
