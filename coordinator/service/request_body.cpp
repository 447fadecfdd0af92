#include "coordinator/service/request_body.h"

namespace cce {

Json parse_request_body(std::string_view text) {
  try {
    return parse_json(text, std::string(request_body_name));
  } catch (const Error& error) {
    Error refused = error;
    refused.code = error.code == ErrorCode::malformed_file ? ErrorCode::malformed_request : error.code;
    throw refused;
  }
}

}  // namespace cce
