#include "model/json_reader.h"

#include <set>
#include <vector>

#include "model/error.h"
#include "model/quote.h"

namespace resnet {

nlohmann::ordered_json parse_json(std::string_view text, const std::string& where) {
  constexpr int max_depth = 32;
  constexpr std::size_t max_values = 2'000'000;
  using Event = nlohmann::ordered_json::parse_event_t;
  // The parser takes a NUL for the end and would leave what follows unread.
  if (text.find('\0') != std::string_view::npos)
    throw Error(ErrorCode::format, where + " is no JSON: it has a NUL byte");

  std::vector<std::set<std::string>> keys;
  std::size_t values = 0;
  const auto check = [&](int depth, Event event, nlohmann::ordered_json& parsed) {
    if (depth > max_depth) throw Error(ErrorCode::format, where + " is nested deeper than 32 levels");
    if (++values > max_values) throw Error(ErrorCode::format, where + " has more than 2,000,000 values");
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(parsed.get_ref<const std::string&>()).second) {
      throw Error(ErrorCode::format,
                  where + " has the key " + quote(parsed.get_ref<const std::string&>()) + " twice");
    }
    return true;
  };
  try {
    return nlohmann::ordered_json::parse(text.begin(), text.end(), check);
  } catch (const nlohmann::json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: …": what follows the bracket is
    // readable.
    const std::string_view message = error.what();
    const std::size_t bracket = message.find("] ");
    const std::string text_only(message.substr(bracket == std::string_view::npos ? 0 : bracket + 2));
    const std::string quoted = quote(text_only);
    throw Error(ErrorCode::format, where + " is no JSON: " + quoted.substr(1, quoted.size() - 2));
  }
}

}  // namespace resnet
