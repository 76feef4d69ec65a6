#include "model/pickle_reader.h"

#include <algorithm>
#include <utility>

#include "model/pickle_globals.h"
#include "model/pickle_opcodes.h"
#include "model/quote.h"

namespace resnet {
namespace {

// A ResNet-152 with its optimizer's state takes 200,000 opcodes.
constexpr std::uint64_t max_opcodes = 2'000'000;
constexpr std::size_t max_stack = 1'000'000;
constexpr std::size_t max_marks = 1000;
constexpr std::uint16_t max_depth = 200;
/// What all containers together may hold: a container of a million can be copied with four opcodes.
constexpr std::uint64_t max_items = 4'000'000;
constexpr std::uint64_t max_string = std::uint64_t{64} << 20;
constexpr std::size_t max_name = 512;

std::string_view take_line(ByteReader& in) {
  // One byte at a time is enough: names are short, and a longer one is refused.
  std::string_view line = in.take_text(0);
  while (true) {
    const std::string_view next = in.take_text(1);
    if (line.empty()) line = {next.data(), 0};
    if (next[0] == '\n') return line;
    line = {line.data(), line.size() + 1};
    if (line.size() > max_name) in.fail("is damaged: its pickle names something of more than 512 characters");
  }
}

}  // namespace

std::string describe(const PickleValue& value) {
  switch (value.kind) {
    case PickleKind::none:
      return "None";
    case PickleKind::boolean:
      return "a bool";
    case PickleKind::integer:
      return "an int";
    case PickleKind::floating:
      return "a float";
    case PickleKind::string:
      return "a string";
    case PickleKind::tuple:
      return "a tuple";
    case PickleKind::list:
      return "a list";
    case PickleKind::dict:
      return "a dict";
    case PickleKind::storage:
      return "a storage";
    case PickleKind::tensor:
    case PickleKind::reference:
      return "a tensor";
    case PickleKind::global:
    case PickleKind::inert:
      break;
  }
  return "an object";
}

const PickleValue& PickleReader::read() {
  stack_.clear();
  marks_.clear();
  memo_.clear();
  memo_count_ = 0;
  while (step()) {
  }
  if (stack_.size() != 1 || !marks_.empty())
    in_.fail("is damaged: its pickle ends with more or less than one value");
  return *stack_.front();
}

/// Executes one opcode.  @return false at STOP
bool PickleReader::step() {
  if (++opcodes_ > max_opcodes)
    in_.fail("has a pickle of more than 2,000,000 opcodes, far beyond what weights need");
  const std::uint8_t opcode = in_.u8();
  switch (opcode) {
    case STOP:
      return false;
    case PROTO: {
      const std::uint8_t protocol = in_.u8();
      if (protocol < 2 || protocol > 5)
        in_.fail("has a pickle of protocol " + std::to_string(protocol) + ", expected 2 to 5");
      return true;
    }
    case FRAME:
      if (in_.u64() > in_.left()) in_.fail("is truncated: a frame of its pickle ends behind the file's end");
      return true;
    case MARK:
      if (marks_.size() >= max_marks) in_.fail("has a pickle nested deeper than 1,000 marks");
      marks_.push_back(stack_.size());
      return true;
    case GLOBAL: {
      const std::string_view module = take_line(in_);
      push_global(module, take_line(in_));
      return true;
    }
    case STACK_GLOBAL: {
      const PickleValue& name = pop();
      const PickleValue& module = pop();
      if (!name.is(PickleKind::string) || !module.is(PickleKind::string))
        in_.fail("is damaged: its pickle names a global that is no text");
      push_global(module.text, name.text);
      return true;
    }
    case REDUCE:
    case NEWOBJ:
      reduce();
      return true;
    case BUILD:
      build();
      return true;
    case BINPERSID:
      resolve_persistent_id();
      return true;
    default:
      break;
  }
  if (push_literal(opcode) || build_container(opcode) || use_memo(opcode)) return true;
  static constexpr char digits[] = "0123456789abcdef";
  in_.fail(std::string("has a pickle with the opcode 0x") + digits[opcode >> 4] + digits[opcode & 15] +
           ", which torch.save never writes");
}

bool PickleReader::push_literal(std::uint8_t opcode) {
  switch (opcode) {
    case NONE:
      push(make(PickleKind::none));
      return true;
    case NEWTRUE:
    case NEWFALSE: {
      PickleValue& value = make(PickleKind::boolean);
      value.integer = opcode == NEWTRUE ? 1 : 0;
      push(value);
      return true;
    }
    case BININT1:
      push_integer(in_.u8());
      return true;
    case BININT2:
      push_integer(in_.u16());
      return true;
    case BININT:
      push_integer(static_cast<std::int32_t>(in_.u32()));
      return true;
    case LONG1:
      push_long(in_.u8());
      return true;
    case LONG4:
      push_long(in_.u32());
      return true;
    case BINFLOAT:
      in_.take(8);
      push(make(PickleKind::floating));
      return true;
    case SHORT_BINSTRING:
    case SHORT_BINUNICODE:
    case SHORT_BINBYTES:
      push_text(in_.u8());
      return true;
    case BINSTRING:
    case BINUNICODE:
    case BINBYTES:
      push_text(in_.u32());
      return true;
    case BINUNICODE8:
    case BINBYTES8:
      push_text(in_.u64());
      return true;
    default:
      return false;
  }
}

bool PickleReader::build_container(std::uint8_t opcode) {
  switch (opcode) {
    case EMPTY_TUPLE:
      push_tuple({});
      return true;
    case EMPTY_LIST:
      push(make(PickleKind::list));
      return true;
    case EMPTY_DICT:
      push(make(PickleKind::dict));
      return true;
    case EMPTY_SET:
      push(make(PickleKind::inert));
      return true;
    case TUPLE:
      push_tuple(pop_mark());
      return true;
    case FROZENSET:
      pop_mark();
      push(make(PickleKind::inert));
      return true;
    case TUPLE1:
    case TUPLE2:
    case TUPLE3: {
      Items items(static_cast<std::size_t>(opcode - TUPLE1) + 1);
      for (auto item = items.rbegin(); item != items.rend(); ++item) *item = &pop();
      push_tuple(items);
      return true;
    }
    case APPEND:
    case APPENDS:
    case ADDITEMS: {
      const Items items = opcode == APPEND ? Items{&pop()} : pop_mark();
      if (!top().is(PickleKind::list) && !top().is(PickleKind::inert))
        in_.fail("is damaged: its pickle appends to " + describe(top()));
      extend(top(), items);
      return true;
    }
    case SETITEM:
    case SETITEMS: {
      Items items;
      if (opcode == SETITEMS) {
        items = pop_mark();
      } else {
        const PickleValue& value = pop();
        items = {&pop(), &value};
      }
      const bool fits = top().is(PickleKind::dict) || top().is(PickleKind::inert);
      if (!fits || items.size() % 2 != 0) in_.fail("is damaged: its pickle sets items of " + describe(top()));
      extend(top(), items);
      return true;
    }
    case POP:
      if (!marks_.empty() && marks_.back() == stack_.size()) {
        marks_.pop_back();
      } else {
        pop();
      }
      return true;
    case POP_MARK:
      pop_mark();
      return true;
    default:
      return false;
  }
}

bool PickleReader::use_memo(std::uint8_t opcode) {
  switch (opcode) {
    case BINPUT:
      memoize(in_.u8());
      return true;
    case LONG_BINPUT:
      memoize(in_.u32());
      return true;
    case MEMOIZE:
      memoize(memo_count_);
      return true;
    case BINGET:
      recall(in_.u8());
      return true;
    case LONG_BINGET:
      recall(in_.u32());
      return true;
    default:
      return false;
  }
}

PickleValue& PickleReader::make(PickleKind kind) {
  PickleValue& value = arena_.emplace_back();
  value.kind = kind;
  return value;
}

void PickleReader::push(PickleValue& value) {
  if (stack_.size() >= max_stack) in_.fail("has a pickle that needs a stack of more than 1,000,000 values");
  stack_.push_back(&value);
}

void PickleReader::push_text(std::uint64_t size) {
  if (size > max_string)
    in_.fail("has a pickle with a string of " + std::to_string(size) + " bytes, more than 64 MiB");
  PickleValue& value = make(PickleKind::string);
  value.text = in_.take_text(size);
  push(value);
}

void PickleReader::push_integer(std::int64_t number) {
  PickleValue& value = make(PickleKind::integer);
  value.integer = number;
  push(value);
}

void PickleReader::push_long(std::uint64_t size) {
  const auto bytes = in_.take(size);
  if (size > 8) {
    // Too large for any number that is used here: keep the bytes, for the magic number and for nothing else.
    PickleValue& value = make(PickleKind::inert);
    value.text = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    push(value);
    return;
  }
  std::uint64_t number = size > 0 && (bytes.back() & 0x80) != 0 ? ~std::uint64_t{0} : 0;
  for (std::size_t i = bytes.size(); i-- > 0;) number = number << 8 | bytes[i];
  push_integer(static_cast<std::int64_t>(number));
}

PickleValue& PickleReader::top() {
  const std::size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor) in_.fail("is damaged: its pickle takes more values than there are");
  return *stack_.back();
}

PickleValue& PickleReader::pop() {
  PickleValue& value = top();
  stack_.pop_back();
  return value;
}

PickleReader::Items PickleReader::pop_mark() {
  if (marks_.empty()) in_.fail("is damaged: its pickle ends a group that never began");
  const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  Items items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

void PickleReader::push_tuple(const Items& items) {
  PickleValue& tuple = make(PickleKind::tuple);
  extend(tuple, items);
  push(tuple);
}

void PickleReader::extend(PickleValue& container, const Items& items) {
  for (const PickleValue* item : items) {
    if (item->depth >= max_depth) in_.fail("has a pickle with containers nested deeper than 200 levels");
    container.depth = std::max<std::uint16_t>(container.depth, static_cast<std::uint16_t>(item->depth + 1));
  }
  if (container.is(PickleKind::inert)) return;
  items_ += items.size();
  if (items_ > max_items)
    in_.fail("has a pickle whose containers hold more than 4,000,000 values, far beyond what weights need");
  container.items.insert(container.items.end(), items.begin(), items.end());
}

void PickleReader::push_global(std::string_view module, std::string_view name) {
  const auto known = find_global(module, name);
  if (!known) {
    in_.fail("asks for " + quote(std::string(module) + "." + std::string(name)) +
             ", which is not among the names that weights need; nothing of it was executed (expected a state "
             "dict: "
             "in Python, save model.state_dict() instead of the model)");
  }
  PickleValue& value = make(PickleKind::global);
  value.global = known->global;
  value.type = known->type;
  push(value);
}

void PickleReader::reduce() {
  const PickleValue& arguments = pop();
  const PickleValue& function = pop();
  if (!function.is(PickleKind::global) || !arguments.is(PickleKind::tuple))
    in_.fail("is damaged: its pickle calls " + describe(function));
  push(call(function, arguments));
}

PickleValue& PickleReader::call(const PickleValue& function, const PickleValue& arguments) {
  switch (function.global) {
    case PickleGlobal::ordered_dict:
      return make_ordered_dict(arguments);
    case PickleGlobal::rebuild_tensor:
      return make_tensor(arguments, false);
    case PickleGlobal::rebuild_tensor_v2:
      return make_tensor(arguments, true);
    case PickleGlobal::rebuild_parameter:
      if (arguments.items.size() != 3) in_.fail("is damaged: its pickle makes a parameter of too few values");
      return make_parameter(arguments);
    case PickleGlobal::parameter:
      return make_parameter(arguments);
    case PickleGlobal::size: {
      const bool fits = arguments.items.size() == 1 && (arguments.items[0]->is(PickleKind::tuple) ||
                                                        arguments.items[0]->is(PickleKind::list));
      if (!fits) in_.fail("is damaged: its pickle makes a size of something that is no tuple");
      PickleValue& size = make(PickleKind::tuple);
      extend(size, arguments.items[0]->items);
      return size;
    }
    case PickleGlobal::storage_class:
      in_.fail("is damaged: its pickle makes a storage out of nothing");
    case PickleGlobal::inert:
      break;
  }
  return make(PickleKind::inert);
}

/// OrderedDict(), or OrderedDict([[key, value], …]) as Python 2 wrote it.
PickleValue& PickleReader::make_ordered_dict(const PickleValue& arguments) {
  PickleValue& dict = make(PickleKind::dict);
  if (arguments.items.empty()) return dict;
  if (arguments.items.size() != 1 || !arguments.items[0]->is(PickleKind::list))
    in_.fail("is damaged: its pickle makes an OrderedDict of something that is no list");
  for (const PickleValue* pair : arguments.items[0]->items) {
    const bool fits = (pair->is(PickleKind::list) || pair->is(PickleKind::tuple)) && pair->items.size() == 2;
    if (!fits) in_.fail("is damaged: its pickle makes an OrderedDict of something that is no list of pairs");
    extend(dict, pair->items);
  }
  return dict;
}

/// Of its data; requires_grad and the hooks behind it are dropped. Of nothing where its state brings the
/// data.
PickleValue& PickleReader::make_parameter(const PickleValue& arguments) {
  PickleValue& parameter = make(PickleKind::inert);
  if (!arguments.items.empty()) {
    if (!is_tensor(*arguments.items[0]))
      in_.fail("is damaged: its pickle makes a parameter of something that is no tensor");
    parameter = *arguments.items[0];
  }
  parameter.global = PickleGlobal::parameter;
  return parameter;
}

/// (storage, offset, sizes, strides) and, in version 2, (requires_grad, backward_hooks[, metadata]).
PickleValue& PickleReader::make_tensor(const PickleValue& arguments, bool version2) {
  const Items& items = arguments.items;
  const bool count_fits = version2 ? items.size() == 6 || items.size() == 7 : items.size() == 4;
  const bool fits = count_fits && items[0]->is(PickleKind::storage) && items[1]->is(PickleKind::integer) &&
                    items[2]->is(PickleKind::tuple) && items[3]->is(PickleKind::tuple);
  if (!fits)
    in_.fail(
        "is damaged: its pickle makes a tensor of something that is no storage, offset, size and stride");
  // Of a negated or conjugated view PyTorch gives other values than the storage has.
  const bool plain = items.size() < 7 || items[6]->is(PickleKind::none) ||
                     (items[6]->is(PickleKind::dict) && items[6]->items.empty());
  if (!plain)
    in_.fail("has a tensor with " + describe(*items[6]) + " behind its hooks, which is not supported");
  PickleValue& tensor = make(PickleKind::tensor);
  tensor.integer = items[1]->integer;
  tensor.items = {items[0], items[2], items[3]};
  return tensor;
}

/// Of PyTorch before 0.4: (requires_grad, volatile, hooks) of one that has its data, and (data, gradient,
/// hooks, requires_grad, volatile) of one that has none yet.
bool PickleReader::set_parameter(PickleValue& object, const PickleValue& state) {
  if (!state.is(PickleKind::tuple)) return false;
  if (is_tensor(object)) return state.items.size() == 3;
  if (state.items.size() != 5 || !is_tensor(*state.items[0])) return false;
  object = *state.items[0];
  object.global = PickleGlobal::parameter;
  return true;
}

/// `_metadata` of a state dict, and the state of inert objects: both are dropped.
void PickleReader::build() {
  const PickleValue& state = pop();
  PickleValue& object = top();
  const bool parameter = object.global == PickleGlobal::parameter && !object.is(PickleKind::global);
  if (parameter && set_parameter(object, state)) return;
  const bool has_state =
      state.is(PickleKind::dict) || state.is(PickleKind::tuple) || state.is(PickleKind::none);
  if (!object.is(PickleKind::inert) && !(object.is(PickleKind::dict) && has_state)) {
    in_.fail("has a pickle that sets the state of " + describe(object) + ", which state dicts do not do");
  }
}

/// ("storage", class, key, device, elements[, view]); the device is ignored. In the old tar format: a number.
void PickleReader::resolve_persistent_id() {
  const PickleValue& id = pop();
  if (id.is(PickleKind::integer) || id.is(PickleKind::string)) {
    PickleValue& value = make(PickleKind::reference);
    value.integer = id.integer;
    value.text = id.text;
    push(value);
    return;
  }
  const Items& items = id.items;
  const bool fits = id.is(PickleKind::tuple) && (items.size() == 5 || items.size() == 6) &&
                    items[0]->is(PickleKind::string) && items[0]->text == "storage" &&
                    items[1]->is(PickleKind::global) && items[2]->is(PickleKind::string) &&
                    items[4]->is(PickleKind::integer);
  if (fits && items[1]->global != PickleGlobal::storage_class) {
    in_.fail("stores a tensor without a type of its own, which is not supported");
  }
  if (!fits) in_.fail("has a persistent id that is no storage");
  if (items[4]->integer < 0) in_.fail("is damaged: a storage has a negative number of elements");
  PickleValue& value = make(PickleKind::storage);
  value.type = items[1]->type;
  value.text = items[2]->text;
  value.integer = items[4]->integer;
  if (items.size() == 6 && !items[5]->is(PickleKind::none)) {
    const Items& view = items[5]->items;
    const bool view_fits = items[5]->is(PickleKind::tuple) && view.size() == 3 &&
                           view[0]->is(PickleKind::string) && view[1]->is(PickleKind::integer) &&
                           view[2]->is(PickleKind::integer);
    if (!view_fits) in_.fail("is damaged: a storage's view is not key, offset and size");
    value.items = view;
  }
  storages_.push_back(&value);
  push(value);
}

void PickleReader::memoize(std::uint64_t index) {
  // A pickler numbers its memo from 0 (Python 2: 1) upwards, so an index beyond the opcodes is a lie.
  if (index > opcodes_)
    in_.fail("is damaged: its pickle's memo index " + std::to_string(index) + " is out of range");
  if (index >= memo_.size()) memo_.resize(static_cast<std::size_t>(index) + 1, nullptr);
  memo_[static_cast<std::size_t>(index)] = &top();
  ++memo_count_;
}

void PickleReader::recall(std::uint64_t index) {
  if (index >= memo_.size() || memo_[static_cast<std::size_t>(index)] == nullptr) {
    in_.fail("is damaged: its pickle recalls the value " + std::to_string(index) +
             ", which was never stored");
  }
  push(*memo_[static_cast<std::size_t>(index)]);
}

}  // namespace resnet
