#include "model/quote.h"

#include <algorithm>

#include <glib.h>

namespace resnet {
namespace {

/// Bytes of a control character at the beginning of valid UTF-8; 0: there is none. The C1 controls, which
/// terminals obey too, have two, and the ones that turn the direction of writing three.
std::size_t control_length(std::string_view text) {
  const auto byte = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  if (byte(0) < 0x20 || byte(0) == 0x7f) return 1;
  if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) < 0xa0) return 2;
  const bool turns = byte(0) == 0xe2 && ((byte(1) == 0x80 && byte(2) >= 0xaa && byte(2) <= 0xae) ||
                                         (byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9));
  return turns ? 3 : 0;
}

}  // namespace

std::string without_controls(std::string_view text, char instead) {
  std::string result;
  while (!text.empty()) {
    const gchar* end = nullptr;
    g_utf8_validate_len(text.data(), text.size(), &end);
    const auto valid = static_cast<std::size_t>(end - text.data());
    for (std::size_t i = 0; i < valid;) {
      const std::size_t control = control_length(text.substr(i, valid - i));
      result += control > 0 ? instead : text[i];
      i += std::max<std::size_t>(control, 1);
    }
    text.remove_prefix(valid);
    if (!text.empty()) {
      result += instead;
      text.remove_prefix(1);
    }
  }
  return result;
}

std::string quote(std::string_view text) {
  constexpr std::size_t limit = 200;
  if (text.size() <= limit) return "'" + without_controls(text) + "'";
  return "'" + without_controls(text.substr(0, limit / 2)) + "…" +
         without_controls(text.substr(text.size() - limit / 2)) + "'";
}

std::string quote_path(const std::filesystem::path& path) {
  return "'" + without_controls(path.native()) + "'";
}

bool is_plain_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (control_length(text.substr(i)) > 0) return false;
  }
  return text.empty() || g_utf8_validate_len(text.data(), text.size(), nullptr) != FALSE;
}

}  // namespace resnet
