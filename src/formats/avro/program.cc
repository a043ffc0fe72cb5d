#include "formats/avro/program.h"

#include <map>
#include <tuple>
#include <utility>

namespace millrace::avro {

namespace {

using ActionKind = Action::Kind;

std::uint32_t slots_of(const Type& type) {
  std::uint32_t slots = 1;
  for (const Type::Part& part : type.parts) {
    slots += slots_of(part.type);
  }
  return slots;
}

class Compiler {
 public:
  Compiler(const Plan& plan, const std::vector<bool>& read) : slot_is_read_{true} {
    for (std::size_t i = 0; i < plan.row.parts.size(); i++) {
      slot_is_read_.insert(slot_is_read_.end(), slots_of(plan.row.parts[i].type), read[i]);
    }
  }

  Program compile(const Action& root) {
    emit(root);
    program_.end = merge_from_ = here();
    // Records that are jumped over may name each other: each is compiled once, and may add more.
    while (ranges_.size() < records_.size()) {
      const Node& record = *records_[ranges_.size()];
      const std::uint32_t from = here();
      set_place(record.name);
      for (const Field& field : record.fields) {
        skip(*field.type);
      }
      ranges_.emplace_back(from, here() - from);
      merge_from_ = here();
    }
    for (Instruction& each : program_.code) {
      if (each.op == Op::skip_call) {
        std::tie(each.argument, each.length) = ranges_[static_cast<std::size_t>(each.argument)];
      }
    }
    return std::move(program_);
  }

 private:
  [[nodiscard]] std::uint32_t here() const {
    return static_cast<std::uint32_t>(program_.code.size());
  }

  std::uint32_t add(Instruction instruction) {
    instruction.place = place_;
    program_.code.push_back(instruction);
    return here() - 1;
  }
  /// What is jumped to must not grow together with what is before it.
  void end_block(std::uint32_t at) {
    program_.code[at].length = here() - at - 1;
    merge_from_ = here();
  }
  std::uint32_t begin_block(const Instruction& instruction) {
    const std::uint32_t at = add(instruction);
    merge_from_ = here();
    return at;
  }

  void set_place(const std::string& place) {
    if (program_.places.empty() || program_.places[place_] != place) {
      place_ = static_cast<std::uint32_t>(program_.places.size());
      program_.places.push_back(place);
    }
  }

  void emit(const Action& action) {
    set_place(action.place);
    if (!slot_is_read_[action.slot]) {
      if (action.writer != nullptr) {
        skip(*action.writer);
      }
      return;
    }
    switch (action.kind) {
      case ActionKind::value:
        add({.op = action.leaf.op,
             .is_int = action.leaf.is_int,
             .digits = action.leaf.digits,
             .shift = action.leaf.shift,
             .slot = action.slot,
             .argument = action.leaf.argument});
        break;
      case ActionKind::skip:
        skip(*action.writer);
        break;
      case ActionKind::set_null:
        add({.op = Op::set_null, .slot = action.slot});
        break;
      case ActionKind::record:
        emit_all(action.parts);
        break;
      case ActionKind::list:
        block({.op = Op::list, .slot = action.slot}, action.parts[0]);
        break;
      case ActionKind::map:
        block({.op = Op::map, .slot = action.slot}, action.parts[0]);
        break;
      case ActionKind::choose:
        choose(action);
        break;
      case ActionKind::symbol:
        add({.op = Op::symbol,
             .slot = action.slot,
             .length = static_cast<std::uint32_t>(action.symbols.size()),
             .argument = append(program_.symbols, action.symbols)});
        break;
      case ActionKind::only_branch:
        add({.op = Op::only_branch, .slot = action.slot, .argument = action.branch});
        emit(action.parts[0]);
        break;
      case ActionKind::constant:
        block({.op = Op::constant,
               .slot = action.slot,
               .argument = append(program_.constants, std::vector{action.text})},
              action.parts[0]);
        break;
      case ActionKind::fail:
        add({.op = Op::fail,
             .slot = action.slot,
             .argument = append(program_.texts, std::vector{action.text})});
        break;
    }
  }

  void emit_all(const std::vector<Action>& actions) {
    for (const Action& action : actions) {
      emit(action);
    }
  }

  void block(const Instruction& head, const Action& body) {
    const std::uint32_t at = begin_block(head);
    emit(body);
    end_block(at);
  }

  void choose(const Action& action) {
    if (action.parts.size() == 2) {
      for (std::size_t null = 0; null < 2; null++) {
        if (action.parts[null].kind == ActionKind::set_null) {
          block({.op = Op::nullable,
                 .slot = action.slot,
                 .argument = static_cast<std::int64_t>(null)},
                action.parts[1 - null]);
          return;
        }
      }
    }
    branches(action.parts.size(), [&](std::size_t i) { emit(action.parts[i]); });
  }

  /// A jump to one of the branches, and behind each of them one to the end.
  template <class Emit>
  void branches(std::size_t count, Emit emit_branch) {
    const std::size_t first = program_.targets.size();
    program_.targets.resize(first + count);
    begin_block({.op = Op::choose,
                 .length = static_cast<std::uint32_t>(count),
                 .argument = static_cast<std::int64_t>(first)});
    std::vector<std::uint32_t> jumps;
    for (std::size_t i = 0; i < count; i++) {
      program_.targets[first + i] = here();
      emit_branch(i);
      if (i + 1 < count) {
        jumps.push_back(begin_block({.op = Op::jump}));
      }
    }
    for (const std::uint32_t at : jumps) {
      end_block(at);
    }
    merge_from_ = here();
  }

  void skip(const Node& type) {
    switch (type.kind) {
      case Kind::null:
        break;
      case Kind::boolean:
        skip_bytes(1);
        break;
      case Kind::float_:
        skip_bytes(sizeof(float));
        break;
      case Kind::double_:
        skip_bytes(sizeof(double));
        break;
      case Kind::fixed:
        skip_bytes(static_cast<std::int64_t>(type.size));
        break;
      case Kind::int_:
      case Kind::long_:
      case Kind::enumeration:
        add({.op = Op::skip_varint});
        break;
      case Kind::bytes:
      case Kind::string:
        add({.op = Op::skip_sized});
        break;
      case Kind::array:
      case Kind::map:
        skip_blocks(type);
        break;
      case Kind::union_:
        branches(type.parts.size(), [&](std::size_t i) { skip(*type.parts[i]); });
        break;
      case Kind::record:
        skip_record(type);
        break;
    }
  }

  void skip_bytes(std::int64_t count) {
    const std::uint32_t last = here() - 1;
    if (here() > merge_from_ && program_.code[last].op == Op::skip_bytes) {
      program_.code[last].argument += count;
    } else if (count > 0) {
      add({.op = Op::skip_bytes, .argument = count});
    }
  }

  void skip_blocks(const Node& type) {
    const std::uint32_t at = begin_block({.op = Op::skip_blocks});
    if (type.kind == Kind::map) {
      add({.op = Op::skip_sized});
    }
    skip(*type.parts[0]);
    end_block(at);
  }

  void skip_record(const Node& type) {
    // Else a small schema that names types many times could ask for endless work without data.
    if (type.is_empty) {
      return;
    }
    const auto [found, is_new] = calls_.emplace(&type, records_.size());
    if (is_new) {
      records_.push_back(&type);
    }
    add({.op = Op::skip_call, .argument = static_cast<std::int64_t>(found->second)});
  }

  template <class T>
  static std::int64_t append(std::vector<T>& to, const std::vector<T>& values) {
    const std::size_t at = to.size();
    to.insert(to.end(), values.begin(), values.end());
    return static_cast<std::int64_t>(at);
  }

  Program program_;
  std::vector<bool> slot_is_read_;
  std::uint32_t place_ = 0;
  std::uint32_t merge_from_ = 0;  // instructions before this one are not added to
  std::vector<const Node*> records_;
  std::map<const Node*, std::size_t> calls_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges_;
};

}  // namespace

Program compile(const Plan& plan, const std::vector<bool>& read) {
  return Compiler(plan, read).compile(plan.root);
}

}  // namespace millrace::avro
