#ifndef RESNET_MODEL_QUOTE_H
#define RESNET_MODEL_QUOTE_H

#include <filesystem>
#include <string>
#include <string_view>

namespace resnet {

/// Text from an untrusted file, fit for a terminal: control characters, C1's and those that turn the
/// direction of writing among them, and invalid UTF-8 replaced.
std::string without_controls(std::string_view text, char instead = '?');

/// Text from an untrusted file, fit for a message: in single quotes, without_controls, the middle cut out of
/// what is longer than 200 bytes.
std::string quote(std::string_view text);

/// A path in single quotes, unshortened.
std::string quote_path(const std::filesystem::path& path);

/// Whether text is valid UTF-8 without characters that without_controls replaces.
bool is_plain_utf8(std::string_view text);

}  // namespace resnet

#endif
