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

}  // namespace resnet

#endif
