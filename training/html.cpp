#include "training/html.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include <glib.h>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "model/error.h"
#include "training/format.h"
#include "training/picture.h"

namespace resnet {
namespace {

using GlibText = std::unique_ptr<gchar, decltype(&g_free)>;

// Blue and orange: Okabe and Ito's, which colour-blind people tell apart; text on them keeps a contrast
// of 4.5.
constexpr const char* kStyle = R"css(
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--paper:#fff;--panel:#f4f6f8;--line:#d0d7de;
--first:#0072b2;--second:#c65300;--good:0 114 178;--bad:230 120 20}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--paper:#14171b;--panel:#1d2127;--line:#3a424c;
--first:#56b4e9;--second:#e69f00;--good:60 150 220;--bad:220 120 20}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 3rem;max-width:72rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.2rem 0 .6rem}
p{max-width:46rem}
p,figcaption,summary{color:var(--soft)}
code{overflow-wrap:anywhere}
.figures{display:flex;flex-wrap:wrap;gap:.8rem;margin:0}
.figures div{background:var(--panel);border-radius:.5rem;padding:.6rem 1rem;min-width:9rem}
.figures dt{color:var(--soft);font-size:.85rem}
.figures dd{margin:0;font-size:1.6rem;font-variant-numeric:tabular-nums}
.figures dd small{display:block;font-size:.85rem;color:var(--soft)}
.charts{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,21rem),1fr))}
.charts figure{margin:0;background:var(--panel);border-radius:.5rem;padding:.6rem .8rem;max-width:36rem}
.charts figcaption{color:var(--ink);font-weight:600}
svg{display:block;width:100%;height:auto;font:12px system-ui,sans-serif}
svg text{fill:var(--soft)}
svg .axis{stroke:var(--line);fill:none}
svg .mark{stroke:var(--soft);stroke-dasharray:3 3;fill:none}
svg .line{fill:none;stroke-width:2;stroke-linejoin:round}
svg .first{stroke:var(--first)}svg .second{stroke:var(--second);stroke-dasharray:6 3}
svg .dot.first,svg .bar{fill:var(--first);stroke:none}svg .dot.second{fill:var(--second);stroke:none}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;border-bottom:1px solid var(--line);text-align:right}
th:first-child,.texts td{text-align:left}
th{font-weight:600}
thead th{color:var(--soft);vertical-align:bottom}
.texts td{overflow-wrap:anywhere}
.barred{min-width:6rem;background:linear-gradient(90deg,rgb(var(--good)/.25) calc(var(--share)*100%),transparent 0)}
.hit{background:rgb(var(--good)/calc(var(--share)*.6))}.miss{background:rgb(var(--bad)/calc(var(--share)*.8))}
.hit,.miss{text-align:center;min-width:4rem}.hit small,.miss small{display:block;color:inherit}
.none{color:var(--soft);opacity:.7}
.gallery{display:grid;gap:.8rem;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr))}
.gallery figure,.group figure{margin:0}
figure img{display:block;height:6rem;max-width:100%;object-fit:contain;object-position:left;border-radius:.3rem}
.gallery figcaption,.group figcaption{font-size:.85rem;line-height:1.35;margin-top:.25rem;overflow-wrap:anywhere}
figcaption b{color:var(--ink)}
.findings{display:flex;flex-wrap:wrap;gap:.6rem;list-style:none;margin:0;padding:0}
.findings li{flex-basis:100%;overflow-wrap:anywhere}
.findings .group{flex-basis:auto;max-width:100%}
.serious{font-size:.8rem;font-weight:600;vertical-align:.15em;padding:.1rem .5rem;border-radius:1rem;background:rgb(var(--bad)/.35)}
.group{display:flex;flex-wrap:wrap;gap:.8rem;background:var(--panel);border-radius:.5rem;padding:.8rem}
.group figure{width:14.5rem;max-width:100%}
.group>p{width:0;min-width:100%;margin:0;font-size:.9rem}
@media (max-width:40rem){th,td{padding:.25rem .4rem}.barred{min-width:4.2rem}.hit,.miss{min-width:3.4rem}}
@media print{body{max-width:none}.charts figure,.group{break-inside:avoid}}
)css";

/// The picture scaled down to about 96 pixels on the short side.
RgbPicture thumbnail(const RgbPicture& picture) {
  constexpr double kShortSide = 96;
  constexpr double kLongSide = 240;
  const double scale = std::min({1.0, kShortSide / std::min(picture.width, picture.height),
                                 kLongSide / std::max(picture.width, picture.height)});
  const auto scaled = [&](int side) { return std::max(1, static_cast<int>(std::lround(side * scale))); };
  const Box all{0, 0, static_cast<double>(picture.width), static_cast<double>(picture.height)};
  return resize(as_image(picture), scaled(picture.width), scaled(picture.height), Interpolation::bilinear,
                all);
}

std::string jpeg_uri(const RgbPicture& picture) {
  cv::Mat bgr(picture.height, picture.width, CV_8UC3);
  for (std::size_t i = 0; i < picture.pixels.size(); ++i) {
    bgr.data[i] = picture.pixels[i - i % 3 + 2 - i % 3];
  }
  std::vector<std::uint8_t> bytes;
  cv::imencode(".jpg", bgr, bytes, {cv::IMWRITE_JPEG_QUALITY, 80, cv::IMWRITE_JPEG_OPTIMIZE, 1});
  const GlibText text(g_base64_encode(bytes.data(), bytes.size()), g_free);
  return std::string("data:image/jpeg;base64,") + text.get();
}

}  // namespace

std::string escape_html(std::string_view text) {
  const GlibText valid(g_utf8_make_valid(text.data(), static_cast<gssize>(text.size())), g_free);
  const GlibText escaped(g_markup_escape_text(valid.get(), -1), g_free);
  return escaped.get();
}

std::string html_page(const std::string& title, const std::string& body) {
  const std::string heading = escape_html(title);
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         heading + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n<main>\n<h1>" + heading +
         "</h1>\n" + body + "</main>\n</body>\n</html>\n";
}

std::optional<std::string> picture_figure(const std::filesystem::path& picture, const std::string& alt,
                                          const std::string& caption) {
  try {
    return "<figure title=\"" + escape_html(picture.string()) + "\"><img src=\"" +
           jpeg_uri(thumbnail(read_picture(picture))) + "\" alt=\"" + escape_html(alt) + "\"><figcaption>" +
           caption + "</figcaption></figure>\n";
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string html_table(const std::string& label, const std::string& rows) {
  // Reached by the keyboard, so that it can be scrolled without a mouse.
  return R"(<div class="scroll" role="region" tabindex="0" aria-label=")" + escape_html(label) +
         "\"><table>\n" + rows + "</table></div>\n";
}

std::string bar_cell(double share, const std::string& text) {
  return format(R"(<td class="barred" style="--share:%.3f">)", share) + text + "</td>";
}

std::string percent(double share) { return format("%.1f %%", share * 100); }

}  // namespace resnet
