#include "sql/internal/state/distinct_set.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

namespace millrace::sql {

namespace {

using duckdb::data_ptr_t;
using duckdb::hash_t;
using duckdb::idx_t;
using duckdb::LogicalTypeId;
using duckdb::PhysicalType;
using duckdb::string_t;

constexpr hash_t kNull = hash_t{1} << 63U;
constexpr idx_t kFirstSlots = 1024;
// Keys whose slots are fetched from memory at the same time.
constexpr idx_t kBlock = 32;

/// So that equal values have equal bytes.
template <class T>
T normalized(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::isnan(value) ? std::numeric_limits<T>::quiet_NaN() : value + T{0};  // no -0.0
  } else {
    return value;
  }
}

using Words = std::array<std::uint64_t, 2>;

/// The high half of a 128-bit product holds something of every bit of both factors.
std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a ^ 0x9e3779b97f4a7c15ULL} * Wide{b ^ 0xd1b54a32d192ed03ULL};
  return static_cast<std::uint64_t>(product >> 64U) ^ static_cast<std::uint64_t>(product);
}

string_t text_of(const Words& value) { return std::bit_cast<string_t>(value); }

/// Equal values have equal hashes; never written down.
template <class T>
hash_t hash_of(hash_t group, const Words& value) {
  if constexpr (std::is_same_v<T, string_t>) {
    const string_t text = text_of(value);
    if (!text.IsInlined()) {
      return mix(group, duckdb::Hash(text));
    }
  }
  return mix(group, mix(value[0], value[1]));
}

template <class T>
bool same_value(const Words& a, const Words& b) {
  const bool same = a[0] == b[0] && a[1] == b[1];
  if constexpr (std::is_same_v<T, string_t>) {
    if (!same && a[0] == b[0]) {  // length and prefix; the rest may be a pointer
      const string_t left = text_of(a);
      const string_t right = text_of(b);
      return !left.IsInlined() && std::memcmp(left.GetData(), right.GetData(), left.GetSize()) == 0;
    }
  }
  return same;
}

/// Calls call.template operator()<T>() with the C++ type of a physical type.
template <class Call>
auto with_type(PhysicalType type, const Call& call) {
  switch (type) {
    case PhysicalType::BOOL:
    case PhysicalType::INT8:
    case PhysicalType::UINT8:
      return call.template operator()<std::uint8_t>();
    case PhysicalType::INT16:
    case PhysicalType::UINT16:
      return call.template operator()<std::uint16_t>();
    case PhysicalType::INT32:
    case PhysicalType::UINT32:
      return call.template operator()<std::uint32_t>();
    case PhysicalType::INT64:
    case PhysicalType::UINT64:
      return call.template operator()<std::uint64_t>();
    case PhysicalType::INT128:
    case PhysicalType::UINT128:
      return call.template operator()<duckdb::hugeint_t>();
    case PhysicalType::FLOAT:
      return call.template operator()<float>();
    case PhysicalType::DOUBLE:
      return call.template operator()<double>();
    case PhysicalType::VARCHAR:
      return call.template operator()<string_t>();
    default:
      throw duckdb::InternalException("a distinct set can't hold such values");
  }
}

}  // namespace

bool DistinctSet::can_hold(const duckdb::LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::BOOLEAN:
    case LogicalTypeId::TINYINT:
    case LogicalTypeId::SMALLINT:
    case LogicalTypeId::INTEGER:
    case LogicalTypeId::BIGINT:
    case LogicalTypeId::HUGEINT:
    case LogicalTypeId::UTINYINT:
    case LogicalTypeId::USMALLINT:
    case LogicalTypeId::UINTEGER:
    case LogicalTypeId::UBIGINT:
    case LogicalTypeId::UHUGEINT:
    case LogicalTypeId::FLOAT:
    case LogicalTypeId::DOUBLE:
    case LogicalTypeId::DECIMAL:
    case LogicalTypeId::DATE:
    case LogicalTypeId::TIME:
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_SEC:
    case LogicalTypeId::TIMESTAMP_MS:
    case LogicalTypeId::TIMESTAMP_NS:
    case LogicalTypeId::TIMESTAMP_TZ:
    case LogicalTypeId::UUID:
    case LogicalTypeId::ENUM:
    case LogicalTypeId::BLOB:
    case LogicalTypeId::VARCHAR:
      return true;
    default:  // an INTERVAL of 30 days equals one of a month
      return false;
  }
}

DistinctSet::DistinctSet(duckdb::ClientContext& context, const duckdb::LogicalType& type)
    : type_(type), allocator_(duckdb::BufferAllocator::Get(context)), texts_(allocator_) {
  allocate(kFirstSlots);
}

void DistinctSet::allocate(idx_t slots) {
  memory_ = allocator_.Allocate((slots + 1) * sizeof(Slot));
  void* start = memory_.get();
  std::size_t space = (slots + 1) * sizeof(Slot);
  slots_ = static_cast<Slot*>(std::align(alignof(Slot), slots * sizeof(Slot), start, space));
  std::memset(static_cast<void*>(slots_), 0, slots * sizeof(Slot));
  mask_ = slots - 1;
}

void DistinctSet::begin(std::uint64_t epoch) {
  if (epoch_ != epoch) {
    epoch_ = epoch;
    fresh_.clear();
  }
}

void DistinctSet::make_room(idx_t more) {
  const idx_t slots = mask_ + 1;
  if ((count_ + more) * 8 <= slots * 5) {
    return;
  }
  const auto old_memory = std::move(memory_);
  const Slot* old = slots_;
  allocate(std::max(slots * 2, duckdb::NextPowerOfTwo((count_ + more) * 8 / 5)));
  for (const Slot* slot = old; slot != old + slots; ++slot) {
    if (slot->group != nullptr) {
      idx_t at = slot->hash & mask_;
      while (slots_[at].group != nullptr) {
        at = (at + 1) & mask_;
      }
      slots_[at] = *slot;
    }
  }
}

template <class T>
DistinctSet::Slot& DistinctSet::find(const Slot& key) const {
  for (idx_t at = key.hash & mask_;; at = (at + 1) & mask_) {
    Slot& slot = slots_[at];
    if (slot.group == nullptr || (slot.hash == key.hash && slot.group == key.group &&
                                  same_value<T>(slot.value, key.value))) {
      return slot;
    }
  }
}

std::array<std::uint64_t, 2> DistinctSet::own_text(const std::array<std::uint64_t, 2>& value) {
  string_t text = text_of(value);
  if (!text.IsInlined()) {
    auto* copy = texts_.Allocate(text.GetSize());
    std::memcpy(copy, text.GetData(), text.GetSize());
    text.SetPointer(duckdb::char_ptr_cast(copy));
  }
  return std::bit_cast<Words>(text);
}

template <class T>
idx_t DistinctSet::add_values(const SideKeys& keys, duckdb::SelectionVector& fresh) {
  static_assert(sizeof(T) <= sizeof(Slot::value));
  duckdb::UnifiedVectorFormat format;
  keys.arguments.data[keys.first].ToUnifiedFormat(keys.arguments.size(), format);
  // Signed and unsigned are kept alike, which DuckDB's typed access does not allow.
  const auto* values = reinterpret_cast<const T*>(format.data);
  const auto* hashes = duckdb::FlatVector::GetData<hash_t>(keys.hashes);
  std::array<Slot, kBlock> block;
  idx_t n = 0;
  for (idx_t begin = 0; begin < keys.count; begin += kBlock) {
    const idx_t count = std::min(kBlock, keys.count - begin);
    for (idx_t i = 0; i < count; ++i) {
      const idx_t row = keys.selected.get_index(begin + i);
      const idx_t at = format.sel->get_index(row);
      Slot& key = block[i];
      key = {hashes[row] | kNull, keys.groups[row], {0, 0}};
      if (format.validity.RowIsValid(at)) {
        const T value = normalized(values[at]);
        std::memcpy(key.value.data(), static_cast<const void*>(&value), sizeof(T));
        key.hash = hash_of<T>(hashes[row], key.value) & ~kNull;
      }
      __builtin_prefetch(&slots_[key.hash & mask_]);
    }
    for (idx_t i = 0; i < count; ++i) {
      Slot& slot = find<T>(block[i]);
      if (slot.group != nullptr) {
        continue;
      }
      slot = block[i];
      if constexpr (std::is_same_v<T, string_t>) {
        slot.value = own_text(slot.value);
      }
      fresh_.push_back(slot);
      fresh.set_index(n++, keys.selected.get_index(begin + i));
    }
  }
  count_ += n;
  return n;
}

idx_t DistinctSet::add(const SideKeys& keys, duckdb::SelectionVector& fresh) {
  make_room(keys.count);
  return with_type(type_.InternalType(),
                   [&]<class T>() -> idx_t { return add_values<T>(keys, fresh); });
}

void DistinctSet::restore(const SideKeys& keys, const std::int64_t* /*times*/, std::int64_t* more) {
  duckdb::SelectionVector fresh(STANDARD_VECTOR_SIZE);
  const idx_t n = add(keys, fresh);
  for (idx_t i = 0, k = 0; i < keys.count; ++i) {  // both selections go upwards
    const bool is_fresh = k < n && fresh.get_index(k) == keys.selected.get_index(i);
    more[i] = is_fresh ? 1 : 0;
    k += is_fresh ? 1 : 0;
  }
}

void DistinctSet::gather(const Slot* const* slots, idx_t count, duckdb::Vector& out) const {
  with_type(type_.InternalType(), [&]<class T>() {
    auto* values = reinterpret_cast<T*>(duckdb::FlatVector::GetData(out));
    for (idx_t i = 0; i < count; ++i) {
      if ((slots[i]->hash & kNull) != 0) {
        duckdb::FlatVector::SetNull(out, i, true);
        continue;
      }
      std::memcpy(static_cast<void*>(&values[i]), slots[i]->value.data(), sizeof(T));
    }
  });
}

void DistinctSet::visit(bool all, const std::function<void(const SideRows&)>& visitor) const {
  const std::vector<std::int64_t> once(STANDARD_VECTOR_SIZE, 1);
  std::vector<data_ptr_t> groups(STANDARD_VECTOR_SIZE);
  std::vector<const Slot*> some(STANDARD_VECTOR_SIZE);
  idx_t n = 0;
  const auto give = [&] {
    visitor({groups.data(), once.data(), n,
             [&](idx_t /*argument*/, duckdb::Vector& out) { gather(some.data(), n, out); }});
    n = 0;
  };
  const Slot* begin = all ? slots_ : fresh_.data();
  const Slot* end = all ? slots_ + mask_ + 1 : fresh_.data() + fresh_.size();
  for (const Slot* slot = begin; slot != end; ++slot) {
    if (slot->group == nullptr) {
      continue;
    }
    some[n] = slot;
    groups[n++] = slot->group;
    if (n == STANDARD_VECTOR_SIZE) {
      give();
    }
  }
  if (n > 0) {
    give();
  }
}

std::int64_t DistinctSet::bytes() const {
  return static_cast<std::int64_t>(((mask_ + 1) * sizeof(Slot)) + texts_.AllocationSize() +
                                   (fresh_.capacity() * sizeof(Slot)));
}

}  // namespace millrace::sql
