#include "control/registry.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "base/files.h"
#include "base/strings.h"

namespace millrace::control {

std::string registry_folder() {
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  const auto folder = runtime != nullptr && *runtime != '\0'
                          ? fmt::format("{}/millrace", runtime)
                          : fmt::format("/tmp/millrace-{}", ::getuid());
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    throw_file_error("make", folder, errno);
  }
  struct stat info{};
  if (::lstat(folder.c_str(), &info) != 0) {
    throw_file_error("look at", folder, errno);
  }
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::getuid() || (info.st_mode & 0077) != 0) {
    throw Error(Blame::external,
                fmt::format("{} is not a folder of this user alone, so what is in it can't be "
                            "trusted; remove it, or set XDG_RUNTIME_DIR",
                            folder));
  }
  return folder;
}

Registration::Registration(const std::string& url, const std::string& name,
                           const std::vector<std::string>& pipelines)
    : path_(fmt::format("{}/{}.json", registry_folder(), ::getpid())) {
  const Json json = {{"pid", ::getpid()}, {"url", url}, {"name", name}, {"pipelines", pipelines}};
  write_file_atomically(path_, json.dump() + "\n", false);
}

Registration::~Registration() { ::unlink(path_.c_str()); }

std::vector<Registered> registered() {
  std::vector<Registered> all;
  const auto folder = registry_folder();
  for (const auto& name : list_folder(folder)) {
    if (!name.ends_with(".json")) {
      continue;
    }
    const auto path = fmt::format("{}/{}", folder, name);
    std::string text;
    if (read_file_or_errno(path, text) != 0) {
      continue;  // it has just ended
    }
    const auto json = Json::parse(text, nullptr, false);
    const auto pid = json.is_object() ? json.value("pid", std::int64_t{0}) : 0;
    if (pid <= 0 || (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH)) {
      ::unlink(path.c_str());
      continue;
    }
    all.push_back({.pid = pid,
                   .url = json.value("url", ""),
                   .name = json.value("name", ""),
                   .pipelines = json.value("pipelines", std::vector<std::string>()),
                   .path = path});
  }
  return all;
}

}  // namespace millrace::control
