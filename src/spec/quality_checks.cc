#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.h"
#include "spec/loader.h"
#include "spec/sql_text.h"
#include "spec/tables.h"

namespace millrace {
namespace {

using Kind = CheckSpec::Kind;

constexpr std::array<std::pair<const char*, Kind>, 4> kKinds = {{{"expect", Kind::expect},
                                                                 {"references", Kind::references},
                                                                 {"unique", Kind::unique},
                                                                 {"sequence", Kind::sequence}}};

/// Reads the checks of one source or dataset.
class ChecksReader {
 public:
  ChecksReader(const YamlFile& yaml, const Node::Entry& entry, Diagnostics& diagnostics)
      : yaml_(yaml), diagnostics_(diagnostics), read_{.of = entry.key, .at = entry.at} {}

  ChecksSpec read(const Node& value) {
    if (!value.is_sequence()) {
      diagnostics_.error(value.at, fmt::format("the checks of `{}` must be a list", read_.of),
                         "for example `- { name: positive, expect: amount > 0, otherwise: warn }`");
      return std::move(read_);
    }
    for (const Node& item : value.items) {
      read_check(item);
    }
    return std::move(read_);
  }

 private:
  void read_check(const Node& node) {
    const std::size_t errors = diagnostics_.error_count();
    CheckOptions options;
    const std::string what = fmt::format("a check of `{}`", read_.of);
    (void)check_table().parse(node, diagnostics_, options, what);
    if (diagnostics_.error_count() != errors) {
      return;
    }
    CheckSpec check{.name = options.name, .at = node.at};
    check.otherwise = options.otherwise;
    check.max_share = options.max_share;
    if (check_name(*node.find("name"), check.name) && read_kind(node, options, check) &&
        check_rules(node, check)) {
      read_.checks.push_back(std::move(check));
    }
  }

  bool check_name(const Node& node, const std::string& name) {
    if (!is_identifier(name)) {
      diagnostics_.error(node.at, fmt::format("`{}` cannot be the name of a check: letters, digits "
                                              "and `_`, not beginning with a digit",
                                              name));
      return false;
    }
    if (std::ranges::any_of(read_.checks, [&](const CheckSpec& other) {
          return equal_ignoring_case(other.name, name);
        })) {
      diagnostics_.error(node.at,
                         fmt::format("`{}` has two checks that are called `{}`", read_.of, name));
      return false;
    }
    return true;
  }

  bool read_kind(const Node& node, const CheckOptions& options, CheckSpec& check) {
    std::size_t kinds = 0;
    for (const auto& [key, kind] : kKinds) {
      if (const Node* subject = node.find(key)) {
        kinds++;
        check.kind = kind;
        check.subject_at = subject->at;
      }
    }
    if (kinds != 1) {
      diagnostics_.error(
          check.at,
          fmt::format("check `{}` {}", check.name,
                      kinds == 0 ? "does not say what it checks" : "checks several things"),
          "it has one of `expect`, `references`, `unique` and `sequence`");
      return false;
    }
    switch (check.kind) {
      case Kind::expect:
        return read_expression(options.expect, check);
      case Kind::references:
        return read_reference(options, check);
      case Kind::unique:
        check.columns = options.unique;
        break;
      case Kind::sequence:
        check.columns = {options.sequence};
        break;
    }
    if (check.columns.empty()) {
      diagnostics_.error(check.subject_at, fmt::format("check `{}` names no column", check.name));
    }
    return !check.columns.empty();
  }

  bool read_expression(const Node& node, CheckSpec& check) {
    if (!node.is_scalar()) {
      diagnostics_.error(
          node.at, fmt::format("`expect` of check `{}` must be an SQL expression", check.name),
          "for example `amount > 0`");
      return false;
    }
    check.expect = sql_in_yaml(yaml_, node);
    const SqlWords words = scan_sql(check.expect.text);
    if (words.empty || words.end) {
      diagnostics_.error(
          words.empty ? node.at : check.expect.locate(*words.end),
          fmt::format("`expect` of check `{}` must be one SQL expression", check.name),
          "for example `amount > 0`");
      return false;
    }
    return true;
  }

  bool read_reference(const CheckOptions& options, CheckSpec& check) {
    const auto dot = options.references.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == options.references.size()) {
      diagnostics_.error(check.subject_at,
                         fmt::format("`references` of check `{}` must be `table.column`, not `{}`",
                                     check.name, options.references),
                         "for example `customers.customer_id`");
      return false;
    }
    check.table = options.references.substr(0, dot);
    check.table_column = options.references.substr(dot + 1);
    check.columns = {options.column.empty() ? check.table_column : options.column};
    return true;
  }

  bool check_rules(const Node& node, const CheckSpec& check) {
    const auto refuse = [&](const char* key, const std::string& why, const std::string& hint) {
      diagnostics_.error(node.find(key)->at, fmt::format("check `{}` {}", check.name, why), hint);
      return false;
    };
    if (node.find("column") != nullptr && check.kind != Kind::references) {
      return refuse("column", "has a `column`, which is for `references`", "remove it");
    }
    if (check.kind != Kind::sequence) {
      return true;
    }
    if (check.otherwise == Otherwise::drop || check.otherwise == Otherwise::quarantine) {
      return refuse("otherwise", "finds gaps, and there is no row in a gap to be taken out",
                    "use `warn` or `fail`");
    }
    if (check.max_share) {
      return refuse("max_share", "finds gaps, which are no share of the rows", "remove it");
    }
    return true;
  }

  const YamlFile& yaml_;
  Diagnostics& diagnostics_;
  ChecksSpec read_;
};

}  // namespace

std::vector<ChecksSpec> read_checks(const YamlFile& yaml, const Node& section,
                                    Diagnostics& diagnostics) {
  std::vector<ChecksSpec> all;
  if (!section.is_mapping()) {  // reported already, if it is there at all
    return all;
  }
  all.reserve(section.entries.size());
  for (const Node::Entry& entry : section.entries) {
    all.push_back(ChecksReader(yaml, entry, diagnostics).read(entry.value));
    if (std::any_of(all.begin(), all.end() - 1, [&](const ChecksSpec& other) {
          return equal_ignoring_case(other.of, entry.key);
        })) {
      diagnostics.error(entry.at, fmt::format("`checks` has `{}` twice", entry.key),
                        "names are compared without regard to case");
    }
  }
  return all;
}

}  // namespace millrace
