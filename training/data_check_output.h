#ifndef RESNET_TRAINING_DATA_CHECK_OUTPUT_H
#define RESNET_TRAINING_DATA_CHECK_OUTPUT_H

#include <string>

#include <nlohmann/json.hpp>

#include "training/data_check.h"

namespace resnet {

/// A short text to read: classes, and the first findings of each kind.
std::string to_text(const DataFindings& findings);

/// All of it. Pictures are named relative to "folder".
nlohmann::json to_json(const DataFindings& findings);

/// A page with thumbnails of at most 100 findings of each kind; see html_page().
std::string to_html(const DataFindings& findings);

}  // namespace resnet

#endif
