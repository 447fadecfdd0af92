#pragma once
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include "coordinator/http/http_message.h"

namespace cce {

/// A parsed header as a value, names in lower case; the body stays with the parser.
HttpRequest to_request(const boost::beast::http::request<boost::beast::http::string_body>& message);

}  // namespace cce
