#pragma once
#include "worker/tensor/backend.h"

namespace cce {

/// An entry of a backend's op table made of `function`, which takes the backend as the Concrete class it is.
template <typename Concrete, auto function>
struct OpEntry;
template <typename Concrete, typename Result, typename... Arguments,
          Result (*function)(Concrete&, Arguments...)>
struct OpEntry<Concrete, function> {
  static Result call(Backend& backend, Arguments... arguments) {
    return function(static_cast<Concrete&>(backend), arguments...);
  }
};

}  // namespace cce
