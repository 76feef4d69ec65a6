#ifndef RESNET_MODEL_PICKLE_READER_H
#define RESNET_MODEL_PICKLE_READER_H

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <c10/core/ScalarType.h>

#include "model/byte_reader.h"

namespace resnet {

enum class PickleKind : std::uint8_t {
  none,
  boolean,
  integer,
  floating,
  string,  ///< text or bytes
  tuple,
  list,
  dict,
  global,     ///< a name of the allow-list, not called yet
  storage,    ///< a persistent id: the bytes lie elsewhere in the file
  tensor,     ///< a view of a storage
  reference,  ///< a persistent id of the old tar format: a tensor described elsewhere
  inert       ///< data that weights do not need; its contents were dropped
};

/// What a name in a pickle stands for.
enum class PickleGlobal : std::uint8_t {
  ordered_dict,
  rebuild_tensor,
  rebuild_tensor_v2,
  rebuild_parameter,
  parameter,
  storage_class,
  size,
  inert
};

/// A value of a pickle. Lives as long as the PickleReader and the bytes it read.
struct PickleValue {
  PickleKind kind = PickleKind::none;
  PickleGlobal global = PickleGlobal::inert;
  at::ScalarType type = at::ScalarType::Byte;  ///< of a storage, or of a storage class
  std::uint16_t depth = 1;                     ///< levels of containers, itself included
  std::int64_t integer = 0;  ///< integer, boolean; elements of a storage; offset of a tensor
  std::string_view text;     ///< string; key of a storage or reference
  /// tuple, list; dict: key, value, key, value, …; tensor: storage (or reference), sizes, strides;
  /// storage: nothing, or view key, offset and size
  std::vector<const PickleValue*> items;

  bool is(PickleKind other) const { return kind == other; }
};

/// A tensor, or what stands for one that is described elsewhere.
inline bool is_tensor(const PickleValue& value) {
  return value.is(PickleKind::tensor) || value.is(PickleKind::reference);
}

/// "a dict", "a list", "a tensor", …
std::string describe(const PickleValue& value);

/// Reads pickles of the protocols 2 to 5 into plain values. Iterative, and executes nothing: names outside
/// the allow-list are errors, those of tensors and containers are understood here, the rest of the list is
/// dropped with its arguments. Opcodes, memo, stack and nesting are capped.
class PickleReader {
 public:
  /// @param where begins every error: the quoted file name.
  PickleReader(std::span<const std::uint8_t> bytes, std::string where) : in_(bytes, std::move(where)) {}

  /// The next pickle of the bytes.  @throws Error format
  const PickleValue& read();

  /// Where the next pickle, or what else there is, begins.
  ByteReader& bytes() { return in_; }
  /// Every storage that the pickles named.
  const std::vector<const PickleValue*>& storages() const { return storages_; }

 private:
  using Items = std::vector<const PickleValue*>;

  bool step();
  bool push_literal(std::uint8_t opcode);
  bool build_container(std::uint8_t opcode);
  bool use_memo(std::uint8_t opcode);
  PickleValue& make(PickleKind kind);
  void push(PickleValue& value);
  void push_text(std::uint64_t size);
  void push_integer(std::int64_t value);
  void push_long(std::uint64_t size);
  PickleValue& pop();
  PickleValue& top();
  Items pop_mark();
  void push_tuple(const Items& items);
  void extend(PickleValue& container, const Items& items);
  void push_global(std::string_view module, std::string_view name);
  void reduce();
  void build();
  bool set_parameter(PickleValue& object, const PickleValue& state);
  void resolve_persistent_id();
  PickleValue& call(const PickleValue& function, const PickleValue& arguments);
  PickleValue& make_ordered_dict(const PickleValue& arguments);
  PickleValue& make_parameter(const PickleValue& arguments);
  PickleValue& make_tensor(const PickleValue& arguments, bool version2);
  void memoize(std::uint64_t index);
  void recall(std::uint64_t index);

  ByteReader in_;
  std::deque<PickleValue> arena_;  ///< flat, so that destroying deeply nested values does not recurse
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::vector<PickleValue*> memo_;
  std::uint64_t memo_count_ = 0;
  std::vector<const PickleValue*> storages_;
  std::uint64_t opcodes_ = 0;
  std::uint64_t items_ = 0;
};

}  // namespace resnet

#endif
