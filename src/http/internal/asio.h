// The one header that brings Boost in; only files in http/internal and server.cc include it, before
// any header of Boost.
#pragma once

// Beast's parser asserts what a chunked body in very small pieces does not keep (1.74), and goes on
// rightly without the assertion.
#define BOOST_DISABLE_ASSERTS
#ifdef __SANITIZE_THREAD__
// It does not know fences; what handlers share is behind asio's locks as well.
#define BOOST_ASIO_DISABLE_FENCED_BLOCK
#endif

#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace millrace::http {

namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = boost::asio::ip::tcp;

}  // namespace millrace::http
