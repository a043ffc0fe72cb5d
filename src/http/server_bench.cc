// A server to be asked by a load generator, and what a request costs it:
//
//   server_bench 8099 2 &                  # port, threads
//   wrk -t1 -c64 -d10s http://127.0.0.1:8099/customers/42
//   kill -INT %1
#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/strings.h"
#include "http/router.h"
#include "http/server.h"

namespace {

double microseconds(const timeval& time) {
  return (static_cast<double>(time.tv_sec) * 1e6) + static_cast<double>(time.tv_usec);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace millrace::http;
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  const auto kept =
      std::make_shared<const std::string>(R"({"id": 42, "name": "somebody", "total": 1234.5})");
  Router router;
  router.add("GET", "/customers/{id}", [&](const Request&, const Captured&, Responder respond) {
    respond({.headers = {{"Content-Type", "application/json"}}, .body = kept});
  });
  ServerOptions options{.listen = std::string("127.0.0.1:") + (argc > 1 ? argv[1] : "0")};
  options.threads = argc > 2 ? millrace::parse_integer(argv[2]).value_or(2) : 2;
  Server server(options, router);
  fmt::print("http://{}/customers/42\n", server.start().text());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto requests = static_cast<double>(std::max<std::int64_t>(1, server.stats().requests));
  fmt::print("{} requests, {:.2f} us of CPU each in user mode, {:.2f} us in the kernel\n", requests,
             microseconds(used.ru_utime) / requests, microseconds(used.ru_stime) / requests);
  server.drain(std::chrono::seconds(1));
  return 0;
}
