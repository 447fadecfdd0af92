#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/text/pieces.h"
#include "worker/text/unicode.h"

namespace cce {

/// One step of a normalizer of tokenizer.json.
struct NormalizerStep {
  enum class Kind {
    nfc,      ///< Unicode's form C
    prepend,  ///< `content` before a text that is not empty
    replace   ///< every `pattern`, a string that is not empty, by `content`
  };
  Kind kind = Kind::nfc;
  std::string pattern, content;
};

/// Runs the steps of a normalizer one after another. Immutable: threads may share it.
class Normalizer {
 public:
  explicit Normalizer(std::vector<NormalizerStep> steps);

  /// `text` is valid UTF-8 below 2 GiB.
  std::string normalize(std::string_view text) const;

  /// Normalizes texts that come in parts. For one thread; the normalizer must outlive it.
  class Stream {
   public:
    Stream(const Normalizer& normalizer, PieceSink sink);
    /// The sink gets the text normalized, in parts of other sizes. What later parts may change is held.
    void push(std::string_view part, bool ends) { push_to(0, part, ends); }

   private:
    struct State {
      std::string held;
      bool begun = false;
    };
    void push_to(std::size_t step, std::string_view part, bool ends);

    const Normalizer& normalizer_;
    PieceSink sink_;
    std::vector<State> states_;  ///< one a step
  };

 private:
  std::vector<NormalizerStep> steps_;
  std::optional<NfcNormalizer> nfc_;  ///< where a step wants it
};

/// `text` with every `pattern` replaced, left to right; `rest` gets where the part that a longer text might
/// change begins: a tail that a `pattern` may start with.
std::string replace_all(std::string_view text, std::string_view pattern, std::string_view content,
                        std::size_t* rest = nullptr);

}  // namespace cce
