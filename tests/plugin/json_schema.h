#ifndef RESNET_TESTS_PLUGIN_JSON_SCHEMA_H
#define RESNET_TESTS_PLUGIN_JSON_SCHEMA_H

#include <algorithm>
#include <regex>
#include <set>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

namespace resnet {

/// Holds values against a JSON Schema (2020-12), of which it knows what ours uses: another keyword is a
/// std::logic_error. Stricter than the standard in one thing: a field that the schema does not name is wrong.
class JsonSchema {
 public:
  explicit JsonSchema(nlohmann::json schema) : schema_(std::move(schema)) {}

  /// @return "" or where the value is wrong and why
  std::string check(const nlohmann::json& value) const { return check(schema_, value, "line"); }

 private:
  using Json = nlohmann::json;

  static bool has_type(const std::string& type, const Json& value) {
    if (type == "integer") return value.is_number_integer();
    return type == value.type_name();
  }

  static bool has_some_type(const Json& types, const Json& value) {
    if (types.is_string()) return has_type(types, value);
    return std::any_of(types.begin(), types.end(), [&](const Json& type) { return has_type(type, value); });
  }

  std::string check_object(const Json& schema, const Json& value, const std::string& where) const {
    for (const Json& name : schema.at("required")) {
      if (!value.contains(name)) return where + " has no " + name.get<std::string>();
    }
    for (const auto& [name, field] : value.items()) {
      if (!schema.at("properties").contains(name))
        return where + " has " + name + ", which is not in the schema";
      const std::string wrong = check(schema["properties"][name], field, where + "." + name);
      if (!wrong.empty()) return wrong;
    }
    return {};
  }

  std::string check_array(const Json& schema, const Json& value, const std::string& where) const {
    if (value.size() < schema.value("minItems", 0u)) return where + " is too short";
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string wrong = check(schema.at("items"), value[i], where + "[" + std::to_string(i) + "]");
      if (!wrong.empty()) return wrong;
    }
    return {};
  }

  static std::string check_scalar(const Json& schema, const Json& value, const std::string& where) {
    const bool is_low = value.is_number() && schema.contains("minimum") && value < schema["minimum"];
    const bool is_high = value.is_number() && schema.contains("maximum") && value > schema["maximum"];
    if (is_low || is_high) return where + " is out of range: " + value.dump();
    if (value.is_string() && schema.contains("pattern") &&
        !std::regex_search(value.get<std::string>(), std::regex(schema["pattern"].get<std::string>()))) {
      return where + " does not match its pattern: " + value.dump();
    }
    return {};
  }

  std::string check(const Json& schema, const Json& value, const std::string& where) const {
    static const std::set<std::string> known{
        "$schema", "title",      "description", "$defs", "$ref",     "type",    "const",   "format",
        "oneOf",   "properties", "required",    "items", "minItems", "minimum", "maximum", "pattern"};
    for (const auto& [keyword, ignored] : schema.items()) {
      if (!known.contains(keyword)) throw std::logic_error("the check does not know the keyword " + keyword);
    }
    if (schema.contains("$ref")) {
      return check(schema_.at(Json::json_pointer(schema["$ref"].get<std::string>().substr(1))), value, where);
    }
    if (schema.contains("oneOf")) {
      const auto fits = std::count_if(schema["oneOf"].begin(), schema["oneOf"].end(),
                                      [&](const Json& one) { return check(one, value, where).empty(); });
      return fits == 1 ? "" : where + " is not one of what it may be: " + value.dump();
    }
    if (schema.contains("const") && value != schema["const"]) return where + " is " + value.dump();
    if (schema.contains("type") && !has_some_type(schema["type"], value)) {
      return where + " has the wrong type: " + value.dump();
    }
    if (value.is_object()) return check_object(schema, value, where);
    if (value.is_array()) return check_array(schema, value, where);
    return check_scalar(schema, value, where);
  }

  Json schema_;
};

}  // namespace resnet

#endif
