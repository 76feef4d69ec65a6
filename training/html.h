#ifndef RESNET_TRAINING_HTML_H
#define RESNET_TRAINING_HTML_H

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace resnet {

/// Text as it may stand between tags and in quoted attributes; what is no UTF-8 becomes U+FFFD.
std::string escape_html(std::string_view text);

/// A whole page in one text: no script, nothing from elsewhere, light or dark as the reader's system is.
/// @param body HTML under the heading, which is the title
std::string html_page(const std::string& title, const std::string& body);

/// A picture file as a JPEG of about 96 pixels on the short side (at most 240 on the long one) inside the
/// page, with a caption below.
/// @param alt what it shows, as text
/// @param caption HTML
/// @return nothing for a file that is no readable picture
std::optional<std::string> picture_figure(const std::filesystem::path& picture, const std::string& alt,
                                          const std::string& caption);

/// A table that scrolls sideways by itself where the page is narrow.
/// @param label what it holds, as text
/// @param rows HTML: the <tr> elements
std::string html_table(const std::string& label, const std::string& rows);

/// A cell with a bar in the background as long as `share` (0…1) of it.
std::string bar_cell(double share, const std::string& text);

/// "87.5 %"; one decimal.
std::string percent(double share);

}  // namespace resnet

#endif
