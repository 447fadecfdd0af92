#include "coordinator/terminal/progress.h"

#include <algorithm>

#include "common/base/number_format.h"
#include "coordinator/page/event_text.h"
#include "coordinator/page/report_rows.h"
#include "coordinator/page/text_table.h"

namespace cce {
namespace {

constexpr double plain_interval_seconds = 10.0;
constexpr std::int64_t bar_cells = 16;

/// Whole and half cells, so that sixteen cells show thirty-two steps.
std::string bar(double fraction) {
  const auto halves = static_cast<std::int64_t>(std::clamp(fraction, 0.0, 1.0) * 2.0 * bar_cells);
  std::string text = "▕";
  for (std::int64_t cell = 0; cell < bar_cells; ++cell) {
    text += halves >= 2 * cell + 2 ? "█" : halves == 2 * cell + 1 ? "▌" : " ";
  }
  return text + "▏";
}

/// The first `width` code points.
std::string cut(const std::string& text, std::int64_t width) {
  std::int64_t shown = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool starts_character = (static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U;
    if (starts_character && shown++ == width) {
      return text.substr(0, i);
    }
  }
  return text;
}

}  // namespace

ProgressStyle progress_style(bool is_terminal, std::optional<std::string> term,
                             std::optional<std::string> no_color, std::int64_t width, bool quiet) {
  ProgressStyle style;
  style.quiet = quiet;
  style.live = is_terminal && term.value_or("dumb") != "dumb" && !term->empty();
  style.color = style.live && no_color.value_or("").empty();
  style.width = width > 20 ? width : 80;
  return style;
}

Progress::Progress(std::ostream& out, ProgressStyle style, std::vector<std::string> stages)
    : out_(out), style_(style), stages_(std::move(stages)) {}

Progress::~Progress() {
  end_live_line();
}

void Progress::show(const JobEvent& event) {
  if (style_.quiet) {
    return;
  }
  if (event.kind == EventKind::stage_started) {
    stage_ = event.stage;
    stage_started_ = event.time;
    last_line_ = event.time;
    if (style_.live) {
      write_line(line(event));
    } else {
      note(stage_label(event.stage));
    }
  } else if (event.kind == EventKind::progress) {
    const bool due = event.time - last_line_ >= plain_interval_seconds;
    if (style_.live || due) {
      last_line_ = event.time;
      write_line(line(event));
    }
  } else if (event.kind == EventKind::stage_done) {
    const double seconds = event.metric(Metric::seconds).value_or(event.time - stage_started_);
    std::string text = stage_label(event.stage);
    text += "  done in " + short_duration(std::max(seconds, 0.0));
    if (const std::optional<double> peak = event.metric(Metric::peak_bytes)) {
      text += ", peak " + format_bytes(static_cast<std::int64_t>(*peak));
    }
    note(text);
  } else if (event.kind == EventKind::warning) {
    std::string text = "warning: ";
    note(text.append(printable(event.message)));
  }
}

void Progress::note(const std::string& sentence) {
  if (style_.quiet) {
    return;
  }
  if (live_line_open_) {
    out_ << "\r\033[2K";
    live_line_open_ = false;
  }
  out_ << sentence << "\n" << std::flush;
}

std::string Progress::stage_label(const std::string& stage) const {
  const auto found = std::find(stages_.begin(), stages_.end(), stage);
  std::string label;
  if (found != stages_.end()) {
    label.append("[").append(std::to_string(found - stages_.begin() + 1)).append("/");
    label.append(std::to_string(stages_.size())).append("] ");
  }
  return label + stage;
}

std::string Progress::line(const JobEvent& event) const {
  JobEvent shown = event;
  const std::optional<double> share = share_of(event);
  const double elapsed = event.time - stage_started_;
  if (!event.metric(Metric::eta_seconds) && share && *share > 0.0 && elapsed > 0.0) {
    shown.set(Metric::eta_seconds, elapsed * (1.0 - *share) / *share);
  }
  std::string text = stage_label(event.stage.empty() ? stage_ : event.stage);
  for (const std::string& part : progress_parts(shown, share && style_.live ? bar(*share) : "")) {
    text += "  " + part;
  }
  return text;
}

void Progress::write_line(const std::string& text) {
  if (!style_.live) {
    out_ << text << "\n" << std::flush;
    return;
  }
  const std::string shown = cut(text, style_.width - 1);
  out_ << "\r\033[2K" << (style_.color ? "\033[36m" : "") << shown << (style_.color ? "\033[0m" : "")
       << std::flush;
  live_line_open_ = true;
}

void Progress::end_live_line() {
  if (live_line_open_) {
    out_ << "\n" << std::flush;
    live_line_open_ = false;
  }
}

}  // namespace cce
