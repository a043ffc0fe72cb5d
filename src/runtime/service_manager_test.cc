#include "runtime/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string>

#include "base/files.h"

namespace millrace {
namespace {

/// A socket that listens as systemd does.
class Manager {
 public:
  explicit Manager(const std::string& name) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') {
      address.sun_path[0] = '\0';
    }
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
  }
  std::string take() {
    std::array<char, 4096> message{};
    const auto size = ::recv(fd_.get(), message.data(), message.size(), MSG_DONTWAIT);
    return size < 0 ? "nothing" : std::string(message.data(), static_cast<std::size_t>(size));
  }

 private:
  UniqueFd fd_;
};

void talk(const std::string& name) {
  Manager listens(name);
  const ServiceManager manager(name, std::nullopt);
  manager.ready("2 running");
  EXPECT_EQ(listens.take(), "READY=1\nSTATUS=2 running");
  manager.reloading();
  EXPECT_TRUE(listens.take().starts_with("RELOADING=1\nMONOTONIC_USEC="));
  manager.status("1 failed\nREADY=1");
  EXPECT_EQ(listens.take(), "STATUS=1 failed READY=1");
  manager.alive();
  EXPECT_EQ(listens.take(), "WATCHDOG=1");
  manager.stopping("bye");
  EXPECT_EQ(listens.take(), "STOPPING=1\nSTATUS=bye");
  EXPECT_EQ(listens.take(), "nothing");
}

TEST(ServiceManager, SpeaksToASocketOfAPath) {
  const auto path = testing::TempDir() + "/notify" + std::to_string(::getpid());
  talk(path);
  (void)remove_file(path);
}

TEST(ServiceManager, SpeaksToAnAbstractSocket) {
  talk("@millrace-notify-" + std::to_string(::getpid()));
}

TEST(ServiceManager, NobodyHasToListen) {
  ServiceManager("", std::nullopt).ready("");
  ServiceManager("/nowhere/at/all", std::nullopt).ready("");
  ServiceManager(std::string(500, 'x'), std::nullopt).ready("");
}

}  // namespace
}  // namespace millrace
