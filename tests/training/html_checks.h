#ifndef RESNET_TESTS_TRAINING_HTML_CHECKS_H
#define RESNET_TESTS_TRAINING_HTML_CHECKS_H

#include <cstddef>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace resnet {

inline std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

/// Every element is closed, in order.
inline void expect_balanced(const std::string& html) {
  static const std::set<std::string> kVoid{"meta", "img", "br"};
  std::vector<std::string> open;
  // Attributes in quotes may hold '>'.
  static const std::regex tag(R"(<(/?)([a-z0-9]+)((?:[^<>"]|"[^"]*")*)>)");
  const std::string body = html.substr(html.find("<html"));
  for (std::sregex_iterator i(body.begin(), body.end(), tag), end; i != end; ++i) {
    const std::string name = (*i)[2];
    const std::string attributes = (*i)[3];
    if (kVoid.contains(name) || attributes.ends_with("/")) continue;
    if ((*i)[1] == "") {
      open.push_back(name);
    } else {
      ASSERT_FALSE(open.empty()) << "</" << name << "> too many";
      ASSERT_EQ(open.back(), name) << "closed by </" << name << ">";
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty()) << "<" << (open.empty() ? "" : open.back()) << "> is not closed";
}

/// Nothing runs and nothing is fetched.
inline void expect_self_contained(const std::string& html) {
  for (const std::string part : {"<script", "http:", "https:", "url(", "<link", "@import", "javascript:"}) {
    EXPECT_EQ(html.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(count_of(html, "src="), count_of(html, "src=\"data:image/jpeg;base64,"));
}

}  // namespace resnet

#endif
