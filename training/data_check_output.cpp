#include "training/data_check_output.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "training/format.h"
#include "training/html.h"

namespace resnet {
namespace {

constexpr std::size_t kMostLines = 10;    // of a topic, as text
constexpr std::size_t kMostInPage = 100;  // of a topic, as HTML
constexpr std::size_t kMostOfAGroup = 8;  // pictures

/// One finding: as text, names and note; in a page, pictures side by side and the note.
struct Item {
  std::string names;
  std::string note;                   ///< may be empty
  std::vector<std::size_t> pictures;  ///< indices into the findings' pictures; may be empty
};

std::string to_line(const Item& item) {
  return item.names + (item.note.empty() ? "" : " (" + item.note + ")");
}

/// Findings of one kind.
struct Topic {
  bool serious = false;
  std::string one, many;  ///< what they are, after a number
  std::string meaning;    ///< what to do about them
  std::vector<Item> items;
};

std::string relative(const DataFindings& findings, const std::filesystem::path& path) {
  return path.lexically_relative(findings.root).string();
}

std::string name_of(const DataFindings& findings, std::size_t picture) {
  return relative(findings, findings.pictures[picture].path);
}

std::string heading(const Topic& topic) {
  return std::to_string(topic.items.size()) + " " + (topic.items.size() == 1 ? topic.one : topic.many);
}

std::string size_text(const CheckedPicture& picture) {
  return std::to_string(picture.width) + "×" + std::to_string(picture.height);
}

std::string fixed(double value) { return format("%.2f", value); }

Topic unreadable(const DataFindings& findings) {
  Topic topic{true,
              "picture that cannot be read",
              "pictures that cannot be read",
              "Training leaves them out. Get them again, or remove them.",
              {}};
  const std::string root = (findings.root / "").string();
  for (const UnreadablePicture& picture : findings.unreadable) {
    const bool named = picture.why.starts_with(root);
    topic.items.push_back({picture.why.substr(named ? root.size() : 0), {}, {}});
  }
  return topic;
}

Topic empty_classes(const DataFindings& findings) {
  Topic topic{true,
              "class without a picture",
              "classes without a picture",
              "Training refuses such a folder: each split needs pictures of every class.",
              {}};
  for (const DataSplit& split : findings.splits) {
    for (std::size_t i = 0; i < findings.classes.size(); ++i) {
      if (split.counts[i] == 0) {
        topic.items.push_back({(std::filesystem::path(split.name) / findings.classes[i]).string(), {}, {}});
      }
    }
  }
  return topic;
}

Topic duplicates(const DataFindings& findings, Topic topic,
                 const std::function<bool(const DuplicateGroup&)>& wanted) {
  topic.meaning += " The distance is in bits of 256, of perceptual hashes; copies of a picture are near 0.";
  for (const DuplicateGroup& group : findings.duplicates) {
    if (!wanted(group)) continue;
    std::string names;
    for (std::size_t i = 0; i < std::min(group.members.size(), kMostOfAGroup); ++i) {
      if (i > 0) names += group.exact ? " = " : " ~ ";
      names += name_of(findings, group.members[i]);
    }
    if (group.members.size() > kMostOfAGroup) {
      names += " and " + std::to_string(group.members.size() - kMostOfAGroup) + " more";
    }
    topic.items.push_back({std::move(names),
                           group.exact ? "same bytes" : "distance " + std::to_string(group.distance),
                           group.members});
  }
  return topic;
}

Topic tiny(const DataFindings& findings) {
  Topic topic{
      false, "tiny picture", "tiny pictures", "They are blown up to the network's size and show little.", {}};
  for (const std::size_t i : findings.tiny) {
    const CheckedPicture& picture = findings.pictures[i];
    topic.items.push_back({name_of(findings, i) + " (" + size_text(picture) + ")", {}, {i}});
  }
  return topic;
}

Topic not_pictures(const DataFindings& findings) {
  Topic topic{false,
              "file that is no picture",
              "files that are no pictures",
              "Training passes over files whose names do not end like a picture's.",
              {}};
  for (const auto& path : findings.not_pictures) topic.items.push_back({relative(findings, path), {}, {}});
  return topic;
}

Topic suspects(const DataFindings& findings) {
  Topic topic{false,
              "picture that looks mislabelled",
              "pictures that look mislabelled",
              "The model is confident that they are of another class. It may be wrong: look at them.",
              {}};
  for (const SuspectLabel& suspect : findings.suspects) {
    topic.items.push_back(
        {name_of(findings, suspect.picture),
         "looks like " + findings.model_classes[suspect.predicted] + ", " + percent(suspect.probability),
         {suspect.picture}});
  }
  return topic;
}

/// All that was found, the serious first; without the topics that nothing was found of.
std::vector<Topic> topics_of(const DataFindings& findings) {
  const auto across_classes = [&](const DuplicateGroup& group) { return findings.across_classes(group); };
  const auto across_splits = [&](const DuplicateGroup& group) { return findings.across_splits(group); };
  const auto within = [&](const DuplicateGroup& group) {
    return !across_classes(group) && !across_splits(group);
  };
  std::vector<Topic> topics{
      unreadable(findings),
      empty_classes(findings),
      duplicates(findings,
                 {true,
                  "picture that is in several classes",
                  "pictures that are in several classes",
                  "Their labels contradict each other: keep the right one.",
                  {}},
                 across_classes),
      duplicates(findings,
                 {true,
                  "picture that is in several splits",
                  "pictures that are in several splits",
                  "What was trained on is no test: the accuracy measured with them is too good.",
                  {}},
                 across_splits),
      duplicates(findings,
                 {false,
                  "picture that is there more than once",
                  "pictures that are there more than once",
                  "Within a class of a split: they count twice.",
                  {}},
                 within),
      suspects(findings),
      tiny(findings),
      not_pictures(findings)};
  std::erase_if(topics, [](const Topic& topic) { return topic.items.empty(); });
  return topics;
}

std::string split_name(const DataSplit& split) { return split.name.empty() ? "pictures" : split.name; }

std::size_t files_of(const DataSplit& split) {
  return std::accumulate(split.counts.begin(), split.counts.end(), std::size_t{0});
}

std::size_t all_files(const DataFindings& findings) {
  return findings.pictures.size() + findings.unreadable.size();
}

std::string imbalance_text(const DataSplit& split) {
  return imbalance(split) == 0 ? "-" : fixed(imbalance(split));
}

std::string class_text(const DataFindings& findings) {
  const std::string ratio = "largest / smallest";
  std::size_t width = ratio.size();
  for (const std::string& name : findings.classes) width = std::max(width, text_width(printable(name)));
  const auto line = [&](const std::string& name, const std::function<std::string(const DataSplit&)>& cell) {
    std::string text = padded(printable(name), width);
    for (const DataSplit& split : findings.splits) text += padded(cell(split), 10, true);
    return text + "\n";
  };
  std::string text = line("class", split_name);
  for (std::size_t i = 0; i < findings.classes.size(); ++i) {
    text +=
        line(findings.classes[i], [i](const DataSplit& split) { return std::to_string(split.counts[i]); });
  }
  return text + line("all", [](const DataSplit& split) { return std::to_string(files_of(split)); }) +
         line(ratio, imbalance_text);
}

std::string class_table(const DataFindings& findings) {
  std::string rows = "<thead><tr><th scope=\"col\">class</th>";
  for (const DataSplit& split : findings.splits) {
    rows += "<th scope=\"col\">" + escape_html(split_name(split)) + "</th>";
  }
  rows += "</tr></thead>\n<tbody>\n";
  for (std::size_t i = 0; i < findings.classes.size(); ++i) {
    rows += "<tr><th scope=\"row\">" + escape_html(findings.classes[i]) + "</th>";
    for (const DataSplit& split : findings.splits) {
      const auto largest = static_cast<double>(*std::max_element(split.counts.begin(), split.counts.end()));
      rows += bar_cell(largest == 0 ? 0 : static_cast<double>(split.counts[i]) / largest,
                       std::to_string(split.counts[i]));
    }
    rows += "</tr>\n";
  }
  rows += "<tr><th scope=\"row\">all</th>";
  for (const DataSplit& split : findings.splits) rows += "<td>" + std::to_string(files_of(split)) + "</td>";
  rows += "</tr>\n<tr><th scope=\"row\">largest ÷ smallest</th>";
  for (const DataSplit& split : findings.splits) rows += "<td>" + imbalance_text(split) + "</td>";
  return "<section>\n<h2>Classes</h2>\n" +
         html_table("Pictures by class and split", rows + "</tr>\n</tbody>\n") + "</section>\n";
}

std::string item_html(const DataFindings& findings, const Item& item) {
  std::string figures;
  for (std::size_t i = 0; i < std::min(item.pictures.size(), kMostOfAGroup); ++i) {
    const CheckedPicture& picture = findings.pictures[item.pictures[i]];
    const std::string& label = findings.classes[picture.label];
    const std::string where = (std::filesystem::path(findings.splits[picture.split].name) / label).string();
    figures += picture_figure(picture.path, label,
                              "<b>" + escape_html(where) + "</b><br>" +
                                  escape_html(picture.path.filename().string()) + "<br>" + size_text(picture))
                   .value_or("");
  }
  if (figures.empty()) return "<li>" + escape_html(to_line(item)) + "</li>\n";
  const std::size_t rest = item.pictures.size() - std::min(item.pictures.size(), kMostOfAGroup);
  const std::string note = item.note + (rest > 0 ? "; and " + std::to_string(rest) + " more" : "");
  return "<li class=\"group\">" + figures + (note.empty() ? "" : "<p>" + escape_html(note) + "</p>") +
         "</li>\n";
}

std::string topic_html(const DataFindings& findings, const Topic& topic) {
  std::string html = "<section>\n<h2>" + escape_html(heading(topic)) +
                     (topic.serious ? " <span class=\"serious\">serious</span>" : "") + "</h2>\n<p>" +
                     topic.meaning + "</p>\n<ul class=\"findings\">\n";
  const std::size_t shown = std::min(topic.items.size(), kMostInPage);
  for (std::size_t i = 0; i < shown; ++i) html += item_html(findings, topic.items[i]);
  if (shown < topic.items.size()) {
    html += "<li>… and " + std::to_string(topic.items.size() - shown) + " more, which --json lists</li>\n";
  }
  return html + "</ul>\n</section>\n";
}

nlohmann::json picture_json(const DataFindings& findings, std::size_t index) {
  const CheckedPicture& picture = findings.pictures[index];
  return {{"picture", name_of(findings, index)},
          {"split", findings.splits[picture.split].name},
          {"class", findings.classes[picture.label]},
          {"width", picture.width},
          {"height", picture.height}};
}

nlohmann::json splits_json(const DataFindings& findings) {
  nlohmann::json splits = nlohmann::json::array();
  for (const DataSplit& split : findings.splits) {
    nlohmann::json counts = nlohmann::json::object();
    for (std::size_t i = 0; i < findings.classes.size(); ++i) counts[findings.classes[i]] = split.counts[i];
    nlohmann::json ratio;
    if (imbalance(split) != 0) ratio = imbalance(split);
    splits.push_back({{"split", split.name},
                      {"pictures", files_of(split)},
                      {"classes", std::move(counts)},
                      {"largest_to_smallest", std::move(ratio)}});
  }
  return splits;
}

}  // namespace

std::string to_text(const DataFindings& findings) {
  std::string text = printable(findings.root.string()) + ": " + std::to_string(all_files(findings)) +
                     " pictures, " + std::to_string(findings.classes.size()) + " classes\n\n" +
                     class_text(findings);
  for (const Topic& topic : topics_of(findings)) {
    text += "\n" + std::string(topic.serious ? "serious: " : "") + heading(topic) + "\n";
    const std::size_t shown = std::min(topic.items.size(), kMostLines);
    for (std::size_t i = 0; i < shown; ++i) text += "  " + printable(to_line(topic.items[i])) + "\n";
    if (shown < topic.items.size()) {
      text += "  and " + std::to_string(topic.items.size() - shown) + " more, which --json lists\n";
    }
  }
  return text + (serious_findings(findings) == 0 ? "\nnothing serious\n" : "");
}

nlohmann::json to_json(const DataFindings& findings) {
  nlohmann::json document{{"folder", findings.root.string()},
                          {"pictures", all_files(findings)},
                          {"classes", findings.classes},
                          {"splits", splits_json(findings)},
                          {"serious", serious_findings(findings)}};
  nlohmann::json& unreadable = document["unreadable"] = nlohmann::json::array();
  for (const UnreadablePicture& picture : findings.unreadable) {
    unreadable.push_back({{"picture", relative(findings, picture.path)}, {"error", picture.why}});
  }
  nlohmann::json& groups = document["duplicates"] = nlohmann::json::array();
  for (const DuplicateGroup& group : findings.duplicates) {
    nlohmann::json pictures = nlohmann::json::array();
    for (const std::size_t i : group.members) pictures.push_back(picture_json(findings, i));
    groups.push_back({{"same_bytes", group.exact},
                      {"distance", group.distance},
                      {"across_classes", findings.across_classes(group)},
                      {"across_splits", findings.across_splits(group)},
                      {"pictures", std::move(pictures)}});
  }
  nlohmann::json& tiny = document["tiny"] = nlohmann::json::array();
  for (const std::size_t i : findings.tiny) tiny.push_back(picture_json(findings, i));
  nlohmann::json& others = document["not_pictures"] = nlohmann::json::array();
  for (const auto& path : findings.not_pictures) others.push_back(relative(findings, path));
  if (findings.model_classes.empty()) return document;
  nlohmann::json& suspects = document["mislabelled"] = nlohmann::json::array();
  for (const SuspectLabel& suspect : findings.suspects) {
    nlohmann::json entry = picture_json(findings, suspect.picture);
    entry["predicted"] = findings.model_classes[suspect.predicted];
    entry["probability"] = suspect.probability;
    entry["own_probability"] = suspect.own_probability;
    suspects.push_back(std::move(entry));
  }
  return document;
}

std::string to_html(const DataFindings& findings) {
  const std::vector<Topic> topics = topics_of(findings);
  std::string body =
      "<dl class=\"figures\">\n<div><dt>Pictures</dt><dd>" + std::to_string(all_files(findings)) +
      "<small>in " + std::to_string(findings.classes.size()) +
      " classes</small></dd></div>\n<div><dt>Serious findings</dt><dd>" +
      std::to_string(serious_findings(findings)) + "</dd></div>\n</dl>\n" + class_table(findings);
  for (const Topic& topic : topics) body += topic_html(findings, topic);
  if (topics.empty()) body += "<p>Nothing was found.</p>\n";
  return html_page("Data check of " + findings.root.string(), body);
}

}  // namespace resnet
