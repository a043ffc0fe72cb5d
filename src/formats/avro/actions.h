// What both ways of resolving make actions with.
#pragma once

#include <string>
#include <vector>

#include "core/type.h"
#include "formats/avro/plan.h"

namespace millrace::avro {

/// Where a value goes.
struct Target {
  const Type* type = nullptr;
  Slot slot = 0;
  std::string place;

  /// A field, an element, or the value of a map.
  [[nodiscard]] Target part(std::size_t index) const;
  /// All of them; for one after the other, part() takes longer the more there are.
  [[nodiscard]] std::vector<Target> parts() const;
};

/// Of each name in a place. All parts of a record hold its own place, too.
inline constexpr std::size_t kShownBytes = 100;
/// A type named many times in a small schema makes many actions.
inline constexpr int kActionsMax = 100'000;

[[nodiscard]] Action fail(const Node& writer, const Target& to, std::string text);
[[nodiscard]] Action skip(const Node& writer, std::string place);
/// NULL; a failure where a whole row would be.
[[nodiscard]] Action null_of(const Node* writer, const Target& to);
/// A record, a list, a map or a choice of these parts: a failure if it can't do without one that
/// is.
[[nodiscard]] Action all_of(Action::Kind kind, const Node& writer, const Target& to,
                            std::vector<Action> parts);
/// A choice of the writer's branches: a failure if each that is not null is one.
[[nodiscard]] Action choose(const Node& writer, const Target& to, std::vector<Action> branches);
/// Field `branch` of the STRUCT that a union became.
[[nodiscard]] Action only_branch(const Node& writer, const Target& to, std::size_t branch,
                                 Action part);
/// Throws Error (user) if the root failed, or more than kActionsMax actions were `made`.
void check(const Action& root, int made);

}  // namespace millrace::avro
