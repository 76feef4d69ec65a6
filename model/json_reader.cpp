#include "model/json_reader.h"

#include <set>
#include <utility>
#include <vector>

#include "model/error.h"
#include "model/quote.h"

namespace resnet {
namespace {

using Json = nlohmann::ordered_json;

/// Builds the document. The library's own builder looks through all keys of an object for each new one, which
/// takes hours for a million.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(const std::string& where) : where_(where) {}
  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return false; }  // not in JSON
  bool start_object(std::size_t /*size*/) override {
    keys_.emplace_back();
    return open(Json::object());
  }
  bool start_array(std::size_t /*size*/) override { return open(Json::array()); }
  bool key(string_t& key) override {
    if (!keys_.back().insert(key).second) fail("has the key " + quote(key) + " twice");
    key_ = std::move(key);
    return true;
  }
  bool end_object() override {
    keys_.pop_back();
    return end_array();
  }
  bool end_array() override {
    open_.pop_back();
    return true;
  }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::json::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: …": what follows the bracket is
    // readable.
    const std::string_view message = error.what();
    const std::size_t bracket = message.find("] ");
    const std::string quoted = quote(message.substr(bracket == std::string_view::npos ? 0 : bracket + 2));
    fail("is no JSON: " + quoted.substr(1, quoted.size() - 2));
  }

 private:
  static constexpr std::size_t max_depth = 32;
  static constexpr std::size_t max_values = 2'000'000;

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::format, where_ + " " + what);
  }

  /// Puts a value into its place. @return where it is
  Json& put(Json value) {
    if (++values_ > max_values) fail("has more than 2,000,000 values");
    if (open_.empty()) return root_ = std::move(value);
    Json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return parent.back();
    }
    auto& members = parent.get_ref<Json::object_t&>();
    members.emplace_back(std::move(key_), std::move(value));
    return members.back().second;
  }
  bool add(Json value) {
    put(std::move(value));
    return true;
  }
  bool open(Json container) {
    if (open_.size() >= max_depth) fail("is nested deeper than 32 levels");
    open_.push_back(&put(std::move(container)));
    return true;
  }

  const std::string& where_;
  Json root_;
  std::vector<Json*> open_;                  ///< each the last member of the one in front, so that none moves
  std::vector<std::set<std::string>> keys_;  ///< of the objects among them
  std::string key_;
  std::size_t values_ = 0;
};

}  // namespace

nlohmann::ordered_json parse_json(std::string_view text, const std::string& where) {
  // The parser takes a NUL for the end and would leave what follows unread.
  if (text.find('\0') != std::string_view::npos)
    throw Error(ErrorCode::format, where + " is no JSON: it has a NUL byte");
  Builder builder(where);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

}  // namespace resnet
