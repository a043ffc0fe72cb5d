// Options declared once: parser, checks, reference docs and JSON Schema are all made from the
// table.
//
//   struct SourceOptions {
//     std::string topic;
//     std::chrono::milliseconds poll_timeout{100};
//
//     static OptionTable<SourceOptions> table() {
//       using O = SourceOptions;
//       return {
//           Option<O>{&O::topic, "topic", "The topic to read."}.required().example("orders"),
//           Option<O>{&O::poll_timeout, "poll_timeout", "Longest wait."}.at_least(1ms),
//       };
//     }
//   };
//
//   SourceOptions options;
//   bool good = table.parse(*request.options, diagnostics, options, "source kafka");
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/node.h"

namespace millrace {

/// What an option's value looks like in a pipeline file.
enum class OptionKind : std::uint8_t {
  string,
  integer,
  number,
  boolean,
  duration,     ///< "10m", "1h30m", "250ms"
  bytes,        ///< "64MB", "1GiB", "4096"
  choice,       ///< one of a closed list of words
  string_list,  ///< a sequence of strings, or one string
  string_map,   ///< a mapping of strings
  secret,       ///< ${env:NAME} or ${file:PATH}, never a literal
  path,         ///< a string; relative to the pipeline file
  any,          ///< a value with a form of its own, that its owner reads (a Node)
};

/// A value that is never printed. Given only by reference, resolved when the pipeline is loaded.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  [[nodiscard]] const std::string& reveal() const noexcept { return value_; }
  [[nodiscard]] bool empty() const noexcept { return value_.empty(); }

 private:
  std::string value_;
};

/// Writes "***", or nothing for an empty one.
std::ostream& operator<<(std::ostream& out, const Secret& secret);

/// A number of bytes. As an option it is written "64MB", "1GiB" or "4096".
struct Bytes {
  std::int64_t count = 0;
  auto operator<=>(const Bytes&) const = default;
};

/// A word of the file and the value it stands for.
template <class E>
struct EnumWord {
  E value;
  std::string_view word;
};

/// How an enum is written in a file. To be specialised beside the enum:
///   template <>
///   struct EnumNames<Color> {
///     static constexpr EnumWord<Color> kWords[] = {{Color::red, "red"}, {Color::blue, "blue"}};
///   };
template <class E>
struct EnumNames;

/// The word of an enum that has EnumNames.
template <class E>
[[nodiscard]] constexpr std::string_view enum_word(E value) noexcept {
  for (const EnumWord<E>& each : EnumNames<E>::kWords) {
    if (each.value == value) {
      return each.word;
    }
  }
  return "?";
}

/// An option as docs and the JSON Schema see it.
struct OptionInfo {
  std::string name;
  OptionKind kind = OptionKind::string;
  std::string doc;  ///< one or two whole sentences
  bool required = false;
  std::string default_text;  ///< as one would write it; empty: none
  std::string example;
  std::vector<std::string> choices;
  std::optional<double> minimum;  ///< of a duration in milliseconds, of bytes in bytes
  std::optional<double> maximum;
};

/// The options of one thing, without the struct they fill: what a Connector hands out.
class OptionSet {
 public:
  virtual ~OptionSet() = default;
  [[nodiscard]] virtual const std::vector<OptionInfo>& infos() const noexcept = 0;
  /// Reports every mistake in a mapping of these options, as parse() does. True: there is none.
  virtual bool check(const Node& mapping, Diagnostics& diagnostics,
                     std::string_view what) const = 0;
  [[nodiscard]] std::vector<std::string> names() const;
};

namespace options {

/// A value being read: where it stands, which option it is for, and who is told of mistakes.
struct Reading {
  const Node& node;
  const OptionInfo& info;
  std::string_view what;  ///< "source kafka"
  Diagnostics& diagnostics;

  /// "`topic` of source kafka " + rest; always false, so that a reader can return it.
  bool fail(std::string_view rest, std::string hint = "") const;
};

// One pair for each type a member may have: read() reports what is wrong and returns false;
// text() writes a default as it would stand in a file. describe() notes kind and choices.
bool read(const Reading& from, std::string& into);
bool read(const Reading& from, std::int64_t& into);  // of kind integer or bytes
bool read(const Reading& from, int& into);
bool read(const Reading& from, double& into);
bool read(const Reading& from, bool& into);
bool read(const Reading& from, char& into);
bool read(const Reading& from, std::chrono::milliseconds& into);
bool read(const Reading& from, Bytes& into);
bool read(const Reading& from, Secret& into);
bool read(const Reading& from, Node& into);
bool read(const Reading& from, std::vector<std::string>& into);
bool read(const Reading& from, std::map<std::string, std::string>& into);
bool read(const Reading& from, std::vector<std::pair<std::string, std::string>>& into);
/// The index in `info.choices` of the word that stands there.
std::optional<std::size_t> read_choice(const Reading& from);

std::string text(const OptionInfo& info, const std::string& value);
std::string text(const OptionInfo& info, std::int64_t value);
std::string text(const OptionInfo& info, double value);
std::string text(const OptionInfo& info, char value);
std::string text(const OptionInfo& info, std::chrono::milliseconds value);
std::string text(const OptionInfo& info, Bytes value);
std::string text(const OptionInfo& info, const std::vector<std::string>& value);

/// The value as it is written, short enough for a message.
std::string shown(const Node& node);

/// Reports what is wrong with the mapping as a whole: it is none, keys that nobody knows or that
/// come twice, options that are missing.
bool check_keys(const Node& mapping, const std::vector<OptionInfo>& infos, Diagnostics& diagnostics,
                std::string_view what);

template <class M>
struct Unwrapped {
  using Type = M;
};
template <class M>
struct Unwrapped<std::optional<M>> {
  using Type = M;
};

template <class M>
void describe(OptionInfo& info) {
  if constexpr (std::is_same_v<M, bool>) {
    info.kind = OptionKind::boolean;
  } else if constexpr (std::is_same_v<M, std::int64_t> || std::is_same_v<M, int>) {
    info.kind = OptionKind::integer;
  } else if constexpr (std::is_same_v<M, double>) {
    info.kind = OptionKind::number;
  } else if constexpr (std::is_same_v<M, std::chrono::milliseconds>) {
    info.kind = OptionKind::duration;
  } else if constexpr (std::is_same_v<M, Bytes>) {
    info.kind = OptionKind::bytes;
  } else if constexpr (std::is_same_v<M, Secret>) {
    info.kind = OptionKind::secret;
  } else if constexpr (std::is_same_v<M, Node>) {
    info.kind = OptionKind::any;
  } else if constexpr (std::is_same_v<M, std::vector<std::string>>) {
    info.kind = OptionKind::string_list;
  } else if constexpr (std::is_same_v<M, std::map<std::string, std::string>> ||
                       std::is_same_v<M, std::vector<std::pair<std::string, std::string>>>) {
    info.kind = OptionKind::string_map;
  } else if constexpr (std::is_enum_v<M>) {
    info.kind = OptionKind::choice;
    for (const EnumWord<M>& each : EnumNames<M>::kWords) {
      info.choices.emplace_back(each.word);
    }
  } else {
    static_assert(std::is_same_v<M, std::string> || std::is_same_v<M, char>,
                  "options cannot have this type");
  }
}

template <class M>
bool read_member(const Reading& from, M& into) {
  using Value = typename Unwrapped<M>::Type;
  if constexpr (!std::is_same_v<Value, M>) {
    Value value{};
    if (!read_member(from, value)) {
      return false;
    }
    into = std::move(value);
    return true;
  } else if constexpr (std::is_enum_v<M>) {
    const auto index = read_choice(from);
    if (index) {
      into = EnumNames<M>::kWords[*index].value;
    }
    return index.has_value();
  } else {
    return read(from, into);
  }
}

template <class M>
std::string member_text(const OptionInfo& info, const M& value) {
  if constexpr (!std::is_same_v<typename Unwrapped<M>::Type, M>) {
    return value ? member_text(info, *value) : std::string();
  } else if constexpr (std::is_enum_v<M>) {
    return std::string(enum_word(value));
  } else if constexpr (std::is_same_v<M, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_same_v<M, int>) {
    return text(info, static_cast<std::int64_t>(value));
  } else if constexpr (requires { text(info, value); }) {
    return text(info, value);
  } else {
    return {};
  }
}

}  // namespace options

/// An option of T: which member it fills, its name, and one or two whole sentences on it.
///
/// The member may be of type std::string, bool, int, std::int64_t, double, char (one character),
/// std::chrono::milliseconds, Bytes, an enum with EnumNames, std::vector<std::string>,
/// std::map<std::string, std::string> or a vector of such pairs (which keeps the file's order),
/// Secret, Node (whatever stands there), or a std::optional of one of them. Its value in a
/// default-constructed T is the default.
template <class T>
class Option {
 public:
  /// `member` is a pointer to member, or a function that gives a member: for members of members,
  /// [](O& o) -> auto& { return o.csv.header; }.
  template <class Get>
    requires std::is_invocable_v<Get, T&>
  Option(Get member, std::string name, std::string doc) {
    using Member = std::remove_cvref_t<std::invoke_result_t<Get, T&>>;
    info_.name = std::move(name);
    info_.doc = std::move(doc);
    options::describe<typename options::Unwrapped<Member>::Type>(info_);
    read_ = [member](const options::Reading& from, T& into) {
      return options::read_member(from, std::invoke(member, into));
    };
    default_ = [member](const OptionInfo& info) {
      T defaults{};
      return options::member_text(info, std::as_const(std::invoke(member, defaults)));
    };
  }

  /// The file must give it.
  Option&& required() && {
    return set([](OptionInfo& info) { info.required = true; });
  }
  /// What docs say of the default, where the member's initial value says too little.
  Option&& default_text(std::string text) && {
    return set([&](OptionInfo& info) { info.default_text = std::move(text); });
  }
  /// A value as one would write it, for docs and for the message when it is missing.
  Option&& example(std::string text) && {
    return set([&](OptionInfo& info) { info.example = std::move(text); });
  }
  Option&& at_least(double smallest) && {
    return set([&](OptionInfo& info) { info.minimum = smallest; });
  }
  Option&& at_most(double largest) && {
    return set([&](OptionInfo& info) { info.maximum = largest; });
  }
  Option&& at_least(std::chrono::milliseconds smallest) && {
    return std::move(*this).at_least(static_cast<double>(smallest.count()));
  }
  Option&& at_most(std::chrono::milliseconds largest) && {
    return std::move(*this).at_most(static_cast<double>(largest.count()));
  }
  Option&& at_least(Bytes smallest) && {
    return std::move(*this).at_least(static_cast<double>(smallest.count));
  }
  Option&& at_most(Bytes largest) && {
    return std::move(*this).at_most(static_cast<double>(largest.count));
  }
  /// A string that is a path. It is not resolved here: see resolve_path() in base/files.h.
  Option&& path() && {
    return set([](OptionInfo& info) { info.kind = OptionKind::path; });
  }
  /// A std::int64_t that is a number of bytes, written like Bytes.
  Option&& bytes() && {
    return set([](OptionInfo& info) { info.kind = OptionKind::bytes; });
  }

  /// What docs, the JSON Schema and messages say of it.
  [[nodiscard]] OptionInfo info() const {
    OptionInfo result = info_;
    if (result.default_text.empty() && !result.required) {
      result.default_text = default_(result);
    }
    return result;
  }
  bool read(const options::Reading& from, T& into) const { return read_(from, into); }

 private:
  template <class Change>
  Option&& set(Change change) {
    change(info_);
    return std::move(*this);
  }

  OptionInfo info_;
  std::function<bool(const options::Reading&, T&)> read_;
  std::function<std::string(const OptionInfo&)> default_;
};

/// All options of a T.
template <class T>
class OptionTable final : public OptionSet {
 public:
  OptionTable(std::initializer_list<Option<T>> all) : OptionTable(std::vector<Option<T>>(all)) {}
  /// With options that several things have.
  OptionTable(std::initializer_list<Option<T>> own, std::vector<Option<T>> shared)
      : OptionTable(joined(std::vector<Option<T>>(own), std::move(shared))) {}
  explicit OptionTable(std::vector<Option<T>> all) : options_(std::move(all)) {
    for (const Option<T>& option : options_) {
      infos_.push_back(option.info());
    }
  }

  [[nodiscard]] const std::vector<OptionInfo>& infos() const noexcept override { return infos_; }

  /// Fills `into` from a mapping (or from nothing, which is an empty mapping). Reports every
  /// mistake at its place: keys that are unknown (with a suggestion) or given twice, values of the
  /// wrong kind or out of range, required options that are missing. Members whose options were not
  /// given, or wrong, keep their values. True: there was no mistake. `what` names the whole for
  /// messages: "source kafka".
  bool parse(const Node& mapping, Diagnostics& diagnostics, T& into, std::string_view what) const {
    bool good = options::check_keys(mapping, infos_, diagnostics, what);
    for (std::size_t i = 0; i < options_.size(); ++i) {
      if (const Node* value = mapping.find(infos_[i].name)) {
        good &= options_[i].read({*value, infos_[i], what, diagnostics}, into);
      }
    }
    return good;
  }

  bool check(const Node& mapping, Diagnostics& diagnostics, std::string_view what) const override {
    T scratch{};
    return parse(mapping, diagnostics, scratch, what);
  }

 private:
  static std::vector<Option<T>> joined(std::vector<Option<T>> all, std::vector<Option<T>> more) {
    std::ranges::move(more, std::back_inserter(all));
    return all;
  }

  std::vector<Option<T>> options_;
  std::vector<OptionInfo> infos_;
};

}  // namespace millrace

/// Prints "***", or nothing for an empty one.
template <>
struct fmt::formatter<millrace::Secret> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  template <class Context>
  auto format(const millrace::Secret& secret, Context& context) const {
    auto out = context.out();
    for (int i = 0; i < 3 && !secret.empty(); ++i) {
      *out++ = '*';
    }
    return out;
  }
};
