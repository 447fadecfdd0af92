#include "common/model/own_head.h"

#include "common/base/error.h"
#include "common/model/architecture.h"

namespace cce {
bool has_own_head(const StoredTensor& embedding, const StoredTensor& head,
                  const std::filesystem::path& folder) {
  if (head.shape != embedding.shape) {
    const std::string embedding_name = tensor_name(TensorRole::embedding, -1);
    throw Error{.code = ErrorCode::shape_mismatch,
                .where = folder.string() + ", " + tensor_name(TensorRole::head, -1),
                .found = shape_text(head.shape),
                .expected = shape_text(embedding.shape) + " as " + embedding_name +
                            " has, to which tie_word_embeddings ties it",
                .remedy =
                    "Set tie_word_embeddings to false in config.json if the head is one of its own, or "
                    "remove it from the weights if it is not"};
  }
  return !same_values(embedding.values, head.values);
}

std::string own_head_warning(const std::string& whose) {
  return "the " + whose + "'s config.json says tie_word_embeddings, but its " +
         tensor_name(TensorRole::head, -1) + " and " + tensor_name(TensorRole::embedding, -1) +
         " hold different values: the head is used as it is, as transformers does";
}

}  // namespace cce
