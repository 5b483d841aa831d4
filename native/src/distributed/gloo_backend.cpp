// Compiled with USE_C10D_GLOO and the headers in gloo/ in the place of Gloo's own.
#include <torch/headeronly/version.h>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <pthread.h>

#include <csignal>
#include <ctime>

#include "distributed/backend.h"

namespace retort {
namespace {

/// Keeps SIGPIPE from this thread and those that it starts meanwhile: Gloo's writes to a rank that is gone would end
/// the process, unless that ignores the signal.
class BrokenPipesBlocked {
 public:
  BrokenPipesBlocked() {
    sigemptyset(&broken_pipe_);
    sigaddset(&broken_pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe_, &before_);
  }

  ~BrokenPipesBlocked() {
    if (sigismember(&before_, SIGPIPE) == 1) return;
    const timespec no_time = {};
    while (sigtimedwait(&broken_pipe_, nullptr, &no_time) == SIGPIPE) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

  BrokenPipesBlocked(const BrokenPipesBlocked&) = delete;
  BrokenPipesBlocked& operator=(const BrokenPipesBlocked&) = delete;

 private:
  sigset_t broken_pipe_;
  sigset_t before_;
};

/// From as many ranks on, connections are made when they are first used: a ring needs two of them.
constexpr int64_t kManyRanks = 32;

using c10d::ProcessGroupGloo;

#if TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR == 10
// As with Gloo's own headers, with which LibTorch was compiled.
static_assert(sizeof(ProcessGroupGloo) == 488);
static_assert(sizeof(ProcessGroupGloo::Options) == 144);
static_assert(sizeof(ProcessGroupGloo::AsyncWork) == 784);
static_assert(sizeof(c10d::Backend) == 136);
#endif

}  // namespace

c10::intrusive_ptr<c10d::Backend> new_gloo_backend(const c10::intrusive_ptr<c10d::Store>& store, const Seat& seat) {
  const BrokenPipesBlocked blocked;
  const auto options = ProcessGroupGloo::Options::create(seat.timeout);
  options->devices.push_back(
      ProcessGroupGloo::createDeviceForHostname(seat.own_address, /*lazyInit=*/seat.size >= kManyRanks));
  return c10::make_intrusive<ProcessGroupGloo>(
      store, static_cast<int>(seat.rank), static_cast<int>(seat.size), options);
}

}  // namespace retort
