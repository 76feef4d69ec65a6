#include "model/quote.h"

#include <glib.h>

namespace resnet {
namespace {

bool is_control(char character) {
  const auto byte = static_cast<unsigned char>(character);
  return byte < 0x20 || byte == 0x7f;
}

std::string sanitise(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const gchar* end = nullptr;
    g_utf8_validate_len(text.data(), text.size(), &end);
    const auto valid = static_cast<std::size_t>(end - text.data());
    for (const char character : text.substr(0, valid)) {
      result += is_control(character) ? '?' : character;
    }
    text.remove_prefix(valid);
    if (!text.empty()) {
      result += '?';
      text.remove_prefix(1);
    }
  }
  return result;
}

}  // namespace

std::string quote(std::string_view text) {
  constexpr std::size_t limit = 200;
  if (text.size() <= limit) return "'" + sanitise(text) + "'";
  return "'" + sanitise(text.substr(0, limit / 2)) + "…" + sanitise(text.substr(text.size() - limit / 2)) +
         "'";
}

std::string quote_path(const std::filesystem::path& path) { return "'" + sanitise(path.native()) + "'"; }

bool is_plain_utf8(std::string_view text) {
  for (const char character : text) {
    if (is_control(character)) return false;
  }
  return text.empty() || g_utf8_validate_len(text.data(), text.size(), nullptr) != FALSE;
}

}  // namespace resnet
