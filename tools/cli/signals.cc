#include "tools/cli/bus_guard.h"

#include <signal.h>
#include <unistd.h>

#include <string>

namespace canvas::cli {
namespace {

const std::string* g_message = nullptr;  // made beforehand: the handler may only write and exit

void OnBusError(int /*signal*/) {
  const ssize_t ignored = write(STDERR_FILENO, g_message->data(), g_message->size());
  (void)ignored;
  _exit(1);
}

}  // namespace

void InstallBusGuard(std::string_view path) {
  g_message = new std::string("canvas: " + std::string(path) +
                              ": the file was cut short, or its disk failed, while it was in use "
                              "(restore it from a copy)\n");
  struct sigaction action{};
  action.sa_handler = OnBusError;
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace canvas::cli
