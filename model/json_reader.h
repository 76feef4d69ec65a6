#ifndef RESNET_MODEL_JSON_READER_H
#define RESNET_MODEL_JSON_READER_H

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace resnet {

/// Parses an untrusted JSON document: UTF-8, no key twice in an object, at most 32 levels and 2,000,000
/// values.
/// @param where begins every error: the quoted file name, and the part of it.
/// @throws Error format
nlohmann::ordered_json parse_json(std::string_view text, const std::string& where);

/// The entry of an object, or nullptr when it is absent or null.
inline const nlohmann::json* find_entry(const nlohmann::json& object, const char* key) {
  const auto entry = object.find(key);
  return entry == object.end() || entry->is_null() ? nullptr : &*entry;
}

}  // namespace resnet

#endif
