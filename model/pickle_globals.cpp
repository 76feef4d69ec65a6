#include "model/pickle_globals.h"

#include <algorithm>
#include <array>
#include <utility>

namespace resnet {
namespace {

using at::ScalarType;

constexpr std::array<std::pair<std::string_view, ScalarType>, 12> storage_classes{{
    {"DoubleStorage", ScalarType::Double},
    {"FloatStorage", ScalarType::Float},
    {"HalfStorage", ScalarType::Half},
    {"BFloat16Storage", ScalarType::BFloat16},
    {"LongStorage", ScalarType::Long},
    {"IntStorage", ScalarType::Int},
    {"ShortStorage", ScalarType::Short},
    {"CharStorage", ScalarType::Char},
    {"ByteStorage", ScalarType::Byte},
    {"BoolStorage", ScalarType::Bool},
    {"ComplexFloatStorage", ScalarType::ComplexFloat},
    {"ComplexDoubleStorage", ScalarType::ComplexDouble},
}};

/// Data that training scripts put beside the weights. Parsed and dropped; nothing is called for them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 14> inert_names{{
    {"collections", "Counter"},
    {"collections", "defaultdict"},
    {"argparse", "Namespace"},
    {"_codecs", "encode"},
    {"torch", "device"},
    {"torch", "dtype"},
    {"numpy", "dtype"},
    {"numpy.core.multiarray", "scalar"},
    {"numpy._core.multiarray", "scalar"},
    {"torch.serialization", "_get_layout"},
    {"torch.storage", "UntypedStorage"},
    {"torch", "UntypedStorage"},
    {"torch", "Tensor"},
    {"torch._tensor", "Tensor"},
}};

constexpr std::array<std::string_view, 10> inert_builtins{"set",   "frozenset", "list", "dict", "tuple",
                                                          "float", "int",       "str",  "bool", "bytes"};

constexpr std::array<std::string_view, 28> dtype_names{
    "float64",       "float32",     "float16",         "bfloat16",       "int64",      "int32",
    "int16",         "int8",        "uint8",           "uint16",         "uint32",     "uint64",
    "bool",          "double",      "float",           "half",           "long",       "int",
    "short",         "cfloat",      "cdouble",         "complex64",      "complex128", "complex32",
    "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"};

/// The tensor types that the old tar format names beside each tensor.
bool is_tensor_type(std::string_view name) {
  return name.ends_with("Tensor") &&
         std::any_of(storage_classes.begin(), storage_classes.end(), [&](const auto& storage) {
           return storage.first.substr(0, storage.first.size() - 7) == name.substr(0, name.size() - 6);
         });
}

template <typename List>
bool contains(const List& list, const typename List::value_type& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

std::optional<KnownGlobal> find_global(std::string_view module, std::string_view name) {
  if (module == "collections" && name == "OrderedDict") return KnownGlobal{PickleGlobal::ordered_dict};
  if (module == "torch._utils") {
    if (name == "_rebuild_tensor") return KnownGlobal{PickleGlobal::rebuild_tensor};
    if (name == "_rebuild_tensor_v2") return KnownGlobal{PickleGlobal::rebuild_tensor_v2};
    if (name == "_rebuild_parameter") return KnownGlobal{PickleGlobal::rebuild_parameter};
  }
  if (module == "torch") {
    for (const auto& [storage, type] : storage_classes) {
      if (name == storage) return KnownGlobal{PickleGlobal::storage_class, type};
    }
    if (name == "Size") return KnownGlobal{PickleGlobal::size};
    if (contains(dtype_names, name) || is_tensor_type(name)) return KnownGlobal{PickleGlobal::inert};
  }
  if (module == "torch.nn.parameter" && name == "Parameter") return KnownGlobal{PickleGlobal::parameter};
  if (module == "torch.cuda" && is_tensor_type(name)) return KnownGlobal{PickleGlobal::inert};
  const bool builtin = module == "builtins" || module == "__builtin__";
  const bool numpy_dtype = module == "numpy.dtypes" && name.ends_with("DType");
  if ((builtin && contains(inert_builtins, name)) || numpy_dtype ||
      contains(inert_names, std::pair(module, name))) {
    return KnownGlobal{PickleGlobal::inert};
  }
  return std::nullopt;
}

std::optional<std::string_view> storage_class_name(at::ScalarType type) {
  for (const auto& [name, candidate] : storage_classes) {
    if (candidate == type) return name;
  }
  return std::nullopt;
}

}  // namespace resnet
